//! A picture of the costs: one group of bars for each scenario, on a logarithmic scale.

use std::fmt::Write as _;

use super::Grid;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = 90.0;
const BAR: f64 = 11.0;
const GAP: f64 = 10.0;
const TOP: f64 = 74.0;
/// Distinct with any color vision, on white and on dark paper.
const COLORS: [&str; 6] = [
    "#0072b2", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#999999",
];

/// The picture as text.
pub(super) fn plot(grid: &Grid) -> String {
    let highest = grid.cells.values().map(super::Cell::cpu);
    let decades = highest.fold(10.0, f64::max).log10().ceil().max(1.0);
    let place = |value: f64| LEFT + (value.max(1.0).log10() / decades) * (WIDTH - LEFT - RIGHT);
    let mut body = String::new();
    let mut y = TOP;
    for scenario in grid.scenarios() {
        let begin = y;
        for (index, peer) in grid.peers.iter().enumerate() {
            let Some(cell) = grid.cell(scenario, peer) else {
                continue;
            };
            let (cpu, color) = (cell.cpu(), COLORS.get(index % COLORS.len()));
            let end = place(cpu);
            let _ = writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" class=\"n\">{cpu:.0}</text>",
                end - LEFT,
                BAR - 1.0,
                color.copied().unwrap_or("#999999"),
                end + 4.0,
                y + BAR - 2.0,
            );
            y += BAR;
        }
        let _ = writeln!(
            body,
            "<text x=\"{:.1}\" y=\"{:.1}\" class=\"s\">{}</text>",
            LEFT - 8.0,
            f64::midpoint(begin, y) + 4.0,
            scenario.title()
        );
        y += GAP;
    }
    let height = y + 10.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"Processor time per operation by provider\">\n\
         <style>text{{font:12px sans-serif;fill:#222}}.n{{font-size:9px}}.s{{text-anchor:end}}\
         .t{{font-weight:bold}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"18\" class=\"t\">Processor time per operation, µs (logarithmic; shorter is \
         better)</text>\n"
    );
    for (index, peer) in grid.peers.iter().enumerate() {
        let x = 10.0 + (index % 3) as f64 * 280.0;
        let y = 28.0 + (index / 3) as f64 * 18.0;
        let color = COLORS.get(index % COLORS.len()).copied();
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"{}\">{peer}</text>",
            color.unwrap_or("#999999"),
            x + 18.0,
            y + 10.0
        );
    }
    let mut value = 1.0_f64;
    while value.log10() <= decades {
        let x = place(value);
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>",
            TOP - 6.0
        );
        value *= 10.0;
    }
    text + &body + "</svg>\n"
}
