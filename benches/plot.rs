//! Plots as SVG, both axes logarithmic.

use std::fmt::Write as _;

const COLOURS: [&str; 5] = ["#1b6ca8", "#c2571a", "#3c8d40", "#7b3fa0", "#777777"];
const LEFT: f64 = 70.0;
const WIDTH: f64 = 450.0;
const TOP: f64 = 50.0;
const HEIGHT: f64 = 280.0;

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Stands above it.
    pub title: String,
    /// What runs to the right.
    pub x_name: String,
    /// Values to the right with their labels, in order; the plot reaches from the first to the last.
    pub x_marks: Vec<(f64, String)>,
    /// Values upwards with their labels, in order; the plot reaches from the first to the last.
    pub y_marks: Vec<(f64, String)>,
    /// What is shown.
    pub series: Vec<Series>,
}

/// Points of one kind.
#[derive(Clone, Debug)]
pub struct Series {
    /// What they are.
    pub name: String,
    /// The points in order.
    pub points: Vec<Point>,
    /// Whether there is only a dashed line through them.
    pub dashed: bool,
}

/// A point of a plot.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The value to the right.
    pub x: f64,
    /// The value upwards.
    pub y: f64,
    /// Whether it is drawn hollow.
    pub hollow: bool,
}

/// Powers of ten as marks.
pub fn decades(range: std::ops::RangeInclusive<i32>, label: impl Fn(i32) -> String) -> Vec<(f64, String)> {
    range.map(|decade| (10f64.powi(decade), label(decade))).collect()
}

impl Plot {
    /// The text of the SVG file.
    pub fn svg(&self) -> String {
        self.draw().expect("a string takes whatever is written")
    }

    fn draw(&self) -> Result<String, std::fmt::Error> {
        let mut svg = String::from(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"400\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"640\" height=\"400\" fill=\"white\"/>\n",
        );
        self.draw_axes(&mut svg)?;
        for (index, series) in self.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            self.draw_series(&mut svg, series, colour)?;
            let at = 68 + 18 * index;
            writeln!(svg, "<text x=\"90\" y=\"{at}\" fill=\"{colour}\">{}</text>", escaped(&series.name))?;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }

    fn draw_axes(&self, svg: &mut String) -> std::fmt::Result {
        let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
        for (value, label) in &self.x_marks {
            let at = self.x(*value);
            writeln!(svg, "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>")?;
            let below = bottom + 18.0;
            writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(label))?;
        }
        for (value, label) in &self.y_marks {
            let at = self.y(*value);
            writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>")?;
            let (left, middle) = (LEFT - 8.0, at + 4.0);
            writeln!(svg, "<text x=\"{left}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>", escaped(label))?;
        }
        let (centre, below) = (LEFT + WIDTH / 2.0, bottom + 42.0);
        writeln!(svg, "<text x=\"{centre}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(&self.x_name))?;
        writeln!(svg, "<text x=\"{LEFT}\" y=\"28\">{}</text>", escaped(&self.title))
    }

    fn draw_series(&self, svg: &mut String, series: &Series, colour: &str) -> std::fmt::Result {
        let places: Vec<(f64, f64)> = series.points.iter().map(|point| (self.x(point.x), self.y(point.y))).collect();
        if !series.dashed {
            for ((x, y), point) in places.iter().zip(&series.points) {
                let fill = if point.hollow { "white" } else { colour };
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{colour}\"/>")?;
            }
        }
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if series.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"{dashes}/>", line.join(" "))
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + WIDTH * share(&self.x_marks, value)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + HEIGHT * (1.0 - share(&self.y_marks, value))
    }
}

/// How far a value lies from the first mark to the last.
fn share(marks: &[(f64, String)], value: f64) -> f64 {
    let (first, last) = (marks[0].0, marks[marks.len() - 1].0);
    (value / first).log10() / (last / first).log10()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_between_the_marks() {
        let point = |x, y| Point { x, y, hollow: false };
        let plot = Plot {
            title: "a < b".into(),
            x_name: "rows".into(),
            x_marks: decades(0..=2, |decade| format!("10^{decade}")),
            y_marks: decades(-1..=1, |decade| format!("{} s", 10f64.powi(decade))),
            series: vec![Series { name: "s".into(), points: vec![point(1.0, 0.1), point(100.0, 10.0)], dashed: false }],
        };
        let svg = plot.svg();
        assert!(svg.contains("points=\"70.0,330.0 520.0,50.0\""), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains("0.1 s"));
    }
}
