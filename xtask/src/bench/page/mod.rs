//! The report as one page: nothing from elsewhere, light and dark, readable on a phone.
//!
//! In each section first what others do better, then figures, then pictures.

mod callbacks;
mod growth;
mod html;
mod memory;
mod method;
mod operations;
mod plot;

use super::goals::Goal;
use super::measured::Measured;
use super::report::Report;
use super::summary::status;
use crate::failure::Failure;
use html::escape;

/// The page.
///
/// # Errors
///
/// [`Failure::CannotRun`] if and only if a picture cannot be drawn.
pub(super) fn page(
    measured: &Measured,
    report: &Report,
    goals: &[Goal],
    is_quick: bool,
) -> Result<String, Failure> {
    let drawn = |error: plot::DrawError| Failure::CannotRun(format!("a picture: {error}"));
    let sections = [
        callbacks::section(measured, report).map_err(drawn)?,
        growth::section(measured).map_err(drawn)?,
        memory::section(measured, report).map_err(drawn)?,
        operations::section(report, measured.clock),
        method::section(is_quick),
    ];
    let reached: String = goals.iter().map(goal).collect();
    let contents: String = ["goals", "callbacks", "growth", "memory", "operations", "method"]
        .map(|id| format!("<a href=\"#{id}\">{id}</a> "))
        .concat();
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Detalloc: measured</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{}</style>\n<h1>Measured, beside others, on this machine</h1>\n\
         <p>{}; {}.{}</p>\n<nav>{contents}</nav>\n\
         <section id=\"goals\"><h2>What is to be reached</h2>\n<ul class=\"goals\">{reached}</ul></section>\n{}\
         <script>{}</script>\n</html>\n",
        html::STYLE,
        escape(&report.machine),
        escape(&report.rustc),
        if is_quick { " A quick run: fewer callbacks, shorter histories." } else { "" },
        sections.concat(),
        html::SORT,
    ))
}

fn goal(goal: &Goal) -> String {
    let class = match goal.is_met {
        Some(true) => "good",
        Some(false) => "bad",
        None => "",
    };
    format!(
        "<li><strong class=\"{class}\">{}</strong> {}: {}</li>\n",
        status(goal),
        escape(&goal.what),
        escape(&goal.figure)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measured::{Engine, Line, Run};

    #[test]
    fn the_page_is_whole_without_anything_from_elsewhere() {
        let engine = |name: &str| Engine {
            engine: name.to_owned(),
            callbacks: 2,
            misses: 0,
            refused: 0,
            voluntary_switches: 0,
            minor_faults: 0,
            blocked_ns: 0,
            times: vec![(80_000, 1), (90_000, 1)],
            allocating: vec![(1_000, 2)],
            line_ns: vec![80_000, 90_000],
        };
        let mut measured = Measured::default();
        measured.add(Line::Callbacks(Run {
            scenario: "quiet".to_owned(),
            priority: "<none>".to_owned(),
            engines: ["system", "detalloc", "control"].map(engine).into(),
        }));
        let report = Report::new("rustc".to_owned(), &measured);
        let goals = [Goal { what: "a < b".to_owned(), figure: "1".to_owned(), is_met: Some(false) }];
        let page = page(&measured, &report, &goals, true).expect("drawn");
        assert!(page.contains("a &lt; b") && page.contains("&lt;none&gt;"));
        assert!(!page.contains("src=") && !page.contains("url(") && !page.contains("@import"));
        // What names the language of pictures is no address that anything is fetched from.
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("http"));
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert_eq!(page.matches("<svg").count(), 3);
    }
}
