//! Lines in pictures, as SVG within the page.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// Why a picture cannot be drawn.
pub(super) type DrawError = Box<dyn std::error::Error>;

/// Small, so that letters stay readable when a phone shows it whole.
const SIZE: (u32, u32) = (480, 300);

const LETTERS: (&str, u32) = ("sans-serif", 15);

/// A line of a picture.
pub(super) struct Series<'a> {
    /// The engine, which has its colour.
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// What lies along an axis.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub(super) title: &'static str,
    pub(super) is_log: bool,
    /// How a place is written.
    pub(super) label: fn(f64) -> String,
}

/// A line across the picture.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// Where y has this value.
    Across(f64),
    /// Where x has it.
    Down(f64),
}

/// The colour of an engine: for a picture and for the page.
pub(super) fn colour(engine: &str) -> (RGBColor, &'static str) {
    match engine {
        "system" => (RGBColor(0xe0, 0x5d, 0x44), "#e05d44"),
        "mimalloc" => (RGBColor(0xd9, 0x8c, 0x1f), "#d98c1f"),
        "jemalloc" => (RGBColor(0xb0, 0x6a, 0xc9), "#b06ac9"),
        "detalloc" => (RGBColor(0x2f, 0x81, 0xf7), "#2f81f7"),
        "detalloc-routed" | "detalloc-unchecked" => (RGBColor(0x1f, 0xa8, 0xa0), "#1fa8a0"),
        "rlsf" => (RGBColor(0x6f, 0x9a, 0x37), "#6f9a37"),
        "talc" => (RGBColor(0xc7, 0x6b, 0x98), "#c76b98"),
        "linked-list" => (RGBColor(0x9c, 0x75, 0x5f), "#9c755f"),
        "buddy" => (RGBColor(0x5f, 0x77, 0x9c), "#5f779c"),
        "snmalloc" => (RGBColor(0xa8, 0xa0, 0x2a), "#a8a02a"),
        _ => (RGBColor(0x88, 0x88, 0x88), "#888888"),
    }
}

/// Draws.
///
/// # Errors
///
/// What plotters says.
pub(super) fn lines(
    series: &[Series<'_>],
    [x, y]: [Axis; 2],
    mark: Option<Mark>,
) -> Result<String, DrawError> {
    let all = || series.iter().flat_map(|series| series.points.iter().copied());
    let marked = |axis: usize| match (mark, axis) {
        (Some(Mark::Down(at)), 0) | (Some(Mark::Across(at)), 1) => Some(at),
        _ => None,
    };
    let xs = range(all().map(|point| point.0).chain(marked(0)), x.is_log);
    let ys = range(all().map(|point| point.1).chain(marked(1)), y.is_log);
    match (x.is_log, y.is_log) {
        (true, true) => {
            draw(series, [x, y], mark, (xs.clone().log_scale(), xs), (ys.clone().log_scale(), ys))
        }
        (true, false) => draw(series, [x, y], mark, (xs.clone().log_scale(), xs), (ys.clone(), ys)),
        (false, true) => draw(series, [x, y], mark, (xs.clone(), xs), (ys.clone().log_scale(), ys)),
        (false, false) => draw(series, [x, y], mark, (xs.clone(), xs), (ys.clone(), ys)),
    }
}

/// From the least to the most, with a little air; lines that grow from nothing begin at 0, and others span a power of ten.
fn range(values: impl Iterator<Item = f64>, is_log: bool) -> std::ops::Range<f64> {
    let (least, most) =
        values.fold((f64::INFINITY, 0.0_f64), |(least, most), it| (least.min(it), most.max(it)));
    match (is_log, most > 0.0) {
        (true, true) => {
            let (least, most) = (0.8 * least.max(most * 1e-9), 1.25 * most);
            // So that at least one power of ten lies within, and is written.
            let air = (10.0 * least / most).max(1.0).sqrt();
            least / air..most * air
        }
        (true, false) => 1.0..10.0,
        (false, true) => 0.0..1.1 * most,
        (false, false) => 0.0..1.0,
    }
}

type Bounds = std::ops::Range<f64>;

fn draw<X, Y>(
    series: &[Series<'_>],
    [x, y]: [Axis; 2],
    mark: Option<Mark>,
    (x_spec, xs): (X, Bounds),
    (y_spec, ys): (Y, Bounds),
) -> Result<String, DrawError>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(8)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(x_spec, y_spec)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(0x88, 0x88, 0x88).mix(0.25))
            .x_labels(6)
            .y_labels(6)
            .label_style(LETTERS)
            .axis_desc_style(LETTERS)
            .x_desc(x.title)
            .y_desc(y.title)
            .x_label_formatter(&|value| (x.label)(*value))
            .y_label_formatter(&|value| (y.label)(*value))
            .draw()?;
        if let Some(mark) = mark {
            let ends = match mark {
                Mark::Across(at) => [(xs.start, at), (xs.end, at)],
                Mark::Down(at) => [(at, ys.start), (at, ys.end)],
            };
            chart.draw_series(LineSeries::new(ends, BLACK.stroke_width(1)))?;
        }
        for series in series {
            let style = colour(series.name).0.stroke_width(2);
            chart.draw_series(LineSeries::new(series.points.iter().copied(), style))?;
        }
        root.present()?;
    }
    // Black is what the page writes in, on a light ground or a dark one.
    Ok(svg.replace("\"#000000\"", "\"currentColor\""))
}

/// A count or a size, shortened.
pub(super) fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        it if it >= 1e9 => (it / 1e9, "G"),
        it if it >= 1e6 => (it / 1e6, "M"),
        it if it >= 1e3 => (it / 1e3, "k"),
        it => (it, ""),
    };
    let digits = usize::from(scaled < 10.0 && scaled.fract().abs() > 0.05);
    format!("{scaled:.digits$}{unit}")
}

/// A share, in percent.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 1.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.3}").trim_end_matches('0').trim_end_matches('.').to_owned() + " %"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_line_for_each_series_and_none_of_the_black_of_light_pages() {
        let axis = Axis { title: "µs", is_log: true, label: short };
        let points = || vec![(10.0, 1.0), (100.0, 0.1)];
        let series = ["system", "detalloc"].map(|name| Series { name, points: points() });
        let svg = lines(&series, [axis, axis], Some(Mark::Down(50.0))).expect("drawn");
        assert!(svg.contains("#E05D44") && svg.contains("#2F81F7") && !svg.contains("#000000"), "{svg}");
    }

    #[test]
    fn a_picture_of_nothing_is_empty_and_no_failure() {
        let axis = Axis { title: "", is_log: true, label: short };
        assert!(lines(&[], [axis, axis], None).is_ok());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 999.0, 1500.0, 2e6].map(short), ["0", "999", "1.5k", "2M"]);
        assert_eq!([1.0, 0.01, 0.001, 0.0].map(percent), ["100 %", "1 %", "0.1 %", "0 %"]);
    }
}
