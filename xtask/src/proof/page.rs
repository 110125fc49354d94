//! The proof as one page: nothing from elsewhere, light and dark, readable on a phone.

use super::report::{Report, Row, Status};

/// The page.
pub fn page(report: &Report) -> String {
    let rows: String = report.claims.iter().map(row).collect();
    let count = |status| report.claims.iter().filter(|row| row.status == status).count();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Detalloc: proof</title>\n\
         <style>{STYLE}</style>\n<h1>What is claimed, and what shows it</h1>\n\
         <p>{} pass, {} fail, {} not checked here. {}; {}.</p>\n{rows}</html>\n",
        count(Status::Pass),
        count(Status::Fail),
        count(Status::NotChecked),
        escape(&report.rustc),
        escape(&report.machine),
    )
}

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
section { border-top: 1px solid #8888; padding: .75rem 0; }
h2 { font-size: 1rem; margin: 0 0 .25rem; }
p { margin: .25rem 0; }
pre, code { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: .25rem 0; }
.status { display: block; font-size: .875rem; }
.pass { color: #1a7f37; } .fail { color: #cf222e; } .not-checked { color: #9a6700; }
@media (prefers-color-scheme: dark) { .pass { color: #3fb950; } .fail { color: #f85149; } .not-checked { color: #d29922; } }
";

fn row(row: &Row) -> String {
    let class = match row.status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::NotChecked => "not-checked",
    };
    format!(
        "<section id=\"{}\">\n<h2><span class=\"status {class}\">{}</span> {}</h2>\n<p>{}</p>\n<pre>{}</pre>\n<code>{}</code>\n</section>\n",
        escape(&row.id),
        row.status.words(),
        escape(&row.claim),
        escape(&row.evidence),
        escape(&row.figure),
        escape(&row.command),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_text_and_never_markup() {
        let row = Row {
            id: "a-row".to_owned(),
            claim: "a < b && \"c\"".to_owned(),
            evidence: "<script>".to_owned(),
            figure: "1 > 0".to_owned(),
            status: Status::NotChecked,
            command: "cargo test".to_owned(),
        };
        let report = Report { rustc: "rustc".to_owned(), machine: "a machine".to_owned(), claims: vec![row] };
        let page = page(&report);
        assert!(page.contains("a &lt; b &amp;&amp; &quot;c&quot;") && !page.contains("<script"), "{page}");
        assert!(page.contains("0 pass, 0 fail, 1 not checked here"), "{page}");
        assert!(!page.contains("http"), "nothing comes from elsewhere");
    }
}
