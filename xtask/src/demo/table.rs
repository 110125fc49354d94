//! The demo's figures as one table for people: what was measured down the side, a column for each format.

use comfy_table::{Cell, CellAlignment, Table, TableComponent, presets};

use super::report::{FormatReport, Report};

/// The table, and below it whether both formats agree.
pub fn table(report: &Report, colours: bool) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .remove_style(TableComponent::HorizontalLines)
        .remove_style(TableComponent::MiddleIntersections);
    let head = |format: &FormatReport| Cell::new(format.format.name()).set_alignment(CellAlignment::Right);
    table.set_header(std::iter::once(Cell::new("")).chain(report.formats.iter().map(head)));
    let mut rows = Rows { table, formats: &report.formats, colours };

    rows.add("callbacks", |format| whole(format.callbacks));
    rows.add("frames", |format| whole(format.frames));
    rows.add("times faster than real time", |format| format!("{:.1}", format.realtime_factor));
    rows.add("deadline, µs", |format| format!("{:.1}", format.deadline_us));
    rows.add("callback time p99.9, µs", |format| format!("{:.1}", format.p999_us));
    rows.add("callback time worst, µs", |format| format!("{:.1}", format.worst_us));
    rows.add("deadlines missed", |format| whole(format.misses));
    rows.add("loudest sample, dBFS", |format| {
        format.peak_db.map_or("silent".to_owned(), |db| format!("{db:.1}"))
    });
    rows.add("grains spawned", |format| whole(format.grains_spawned));
    rows.add("grains live at once, most", |format| whole(format.live_peak));
    rows.add("grains stolen", |format| whole(format.stolen));
    rows.add("pool refusals", |format| whole(format.refusals));
    rows.add_pools();
    rows.add_counter("system allocations", |format| format.audio_thread.allocs);
    rows.add_counter("system frees", |format| format.audio_thread.frees);
    rows.add_counter("minor page faults", |format| format.audio_thread.minor_faults);
    rows.add_counter("voluntary context switches", |format| format.audio_thread.voluntary_switches);

    let agreement = if report.identical {
        "CLAP and VST3 rendered the same samples, bit for bit.".to_owned()
    } else {
        format!(
            "CLAP and VST3 differ in {} samples, by at most {:e}.",
            whole(report.differing_samples),
            report.max_difference
        )
    };
    format!(
        "{}\nThe last four rows count what the audio thread did inside the plugin's process calls, without the first {} \
         callbacks.\n{agreement}",
        rows.table, report.warm_up_callbacks
    )
}

struct Rows<'a> {
    table: Table,
    formats: &'a [FormatReport],
    colours: bool,
}

impl Rows<'_> {
    fn add(&mut self, label: impl Into<String>, value: impl Fn(&FormatReport) -> String) {
        let cells =
            self.formats.iter().map(|format| Cell::new(value(format)).set_alignment(CellAlignment::Right));
        self.table.add_row(std::iter::once(Cell::new(label.into())).chain(cells));
    }

    /// High water of each pool that was used at all.
    fn add_pools(&mut self) {
        let classes = self.formats.iter().map(|format| format.classes.len()).max().unwrap_or(0);
        for place in 0..classes {
            let class = |format: &FormatReport| format.classes.get(place).copied();
            if self.formats.iter().filter_map(class).all(|class| class.peak == 0) {
                continue;
            }
            let Some(block_bytes) = self.formats.iter().find_map(class).map(|class| class.block_bytes) else {
                continue;
            };
            self.add(format!("pool of {} B, most/blocks", whole(block_bytes)), |format| {
                class(format)
                    .map_or("-".to_owned(), |class| format!("{}/{}", whole(class.peak), whole(class.blocks)))
            });
        }
    }

    /// A counter that should be 0.
    fn add_counter(&mut self, label: &str, value: impl Fn(&FormatReport) -> Option<u64>) {
        let colours = self.colours;
        let cells = self.formats.iter().map(|format| {
            let text = match value(format) {
                Some(0) => console::style("0".to_owned()).green(),
                Some(count) => console::style(whole(count)).red(),
                None => console::style("not checked".to_owned()).yellow(),
            };
            Cell::new(text.force_styling(colours)).set_alignment(CellAlignment::Right)
        });
        self.table.add_row(std::iter::once(Cell::new(label)).chain(cells));
    }
}

/// A count with thousands set apart.
fn whole(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}
