//! Pieces of the page: style, tables that sort, legends.

/// Colours of engines read on light and dark grounds alike.
pub(super) const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --good: #1a7f37; --bad: #cf222e; --line: #8886; --soft: #8881; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #f85149; } }
body { max-width: 70rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.25rem; } h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
nav a { margin-right: .75rem; } section { border-top: 1px solid var(--line); margin-top: 1.5rem; }
.goals { padding: 0; list-style: none; } .goals li { margin: .5rem 0; }
.good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .8125rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .2rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, .text { text-align: left; } thead th { cursor: pointer; position: sticky; top: 0; }
thead th::after { content: ' \\2195'; opacity: .4; } th[aria-sort=ascending]::after { content: ' \\2191'; } th[aria-sort=descending]::after { content: ' \\2193'; } tr.ours { background: var(--soft); font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; margin: .5rem 0; }
figure { margin: 0; } figcaption { font-size: .8125rem; } svg { width: 100%; height: auto; display: block; }
.key { font-size: .8125rem; margin-right: .9rem; white-space: nowrap; } .key i { display: inline-block; width: 1.1rem; height: .25rem; margin-right: .3rem; vertical-align: middle; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
";

/// A click on a head, or the enter key, sorts its column; another one the other way.
pub(super) const SORT: &str = "
const sort = th => {
  const column = th.cellIndex, body = th.closest('table').tBodies[0], up = th.ariaSort !== 'ascending';
  const value = row => { const text = row.cells[column].textContent; const number = parseFloat(text.replace(/,/g, '')); return isNaN(number) ? text : number; };
  const order = (a, b) => { const x = value(a), y = value(b); return typeof x === typeof y ? (x > y) - (x < y) : typeof x === 'number' ? -1 : 1; };
  [...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)).forEach(row => body.append(row));
  th.parentNode.querySelectorAll('th').forEach(other => other.ariaSort = null);
  th.ariaSort = up ? 'ascending' : 'descending';
};
document.querySelectorAll('thead th').forEach(th => {
  th.tabIndex = 0;
  th.addEventListener('click', () => sort(th));
  th.addEventListener('keydown', event => { if (event.key === 'Enter') sort(th); });
});
";

/// Text, as markup shows it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A table that sorts. The first columns, so many, are text; rows of ours stand out.
pub(super) fn table(heads: &[&str], text_columns: usize, rows: &[(bool, Vec<String>)]) -> String {
    let class = |column: usize| if column < text_columns { " class=\"text\"" } else { "" };
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
        cells
            .enumerate()
            .map(|(column, text)| format!("<{tag}{}>{}</{tag}>", class(column), escape(text)))
            .collect()
    };
    let row = |(is_ours, row): &(bool, Vec<String>)| {
        let class = if *is_ours { " class=\"ours\"" } else { "" };
        format!("<tr{class}>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)))
    };
    format!(
        "<div class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n",
        cells("th", &mut heads.iter().copied()),
        rows.iter().map(row).collect::<String>()
    )
}

/// What others do better, on top of a section.
pub(super) fn better(heads: &[&str], text_columns: usize, rows: &[(bool, Vec<String>)]) -> String {
    if rows.is_empty() {
        return "<p>No rival was better in any row.</p>\n".to_owned();
    }
    format!(
        "<details open><summary>Where others are better: {} rows</summary>\n{}</details>\n",
        rows.len(),
        table(heads, text_columns, rows)
    )
}

/// A picture with what it shows.
pub(super) fn figure(caption: &str, svg: &str) -> String {
    format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", escape(caption))
}

/// The colours of engines.
pub(super) fn legend<'a>(engines: impl IntoIterator<Item = &'a str>) -> String {
    let key = |engine: &str| {
        format!(
            "<span class=\"key\"><i style=\"background:{}\"></i>{}</span>",
            super::plot::colour(engine).1,
            escape(engine)
        )
    };
    format!("<p>{}</p>\n", engines.into_iter().map(key).collect::<String>())
}

/// What there is, each once, in the order of its first appearance.
pub(super) fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_and_never_markup() {
        let table = table(&["<a>"], 1, &[(true, vec!["1 < 2".to_owned()])]);
        assert!(table.contains("&lt;a&gt;") && table.contains("1 &lt; 2") && !table.contains("<a>"));
        assert!(table.contains("class=\"ours\""));
    }
}
