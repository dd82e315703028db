//! The curves of a sweep.

use super::{Point, Sweep, zeros};
use crate::chart::{Axis, Chart, Series};

/// Values that span more than this are spread in the logarithm.
const WIDE: f64 = 8.0;

/// What can be drawn of a sweep, by file name: distortion and energy against rate, zeros and activity against what was
/// swept, a line for each value of a second name. What no point has is left out.
pub fn sweep_pictures(sweep: &Sweep) -> Vec<(&'static str, Chart)> {
    let rate = |p: &Point| Some(p.account.rate);
    let swept = |p: &Point| sweep.over.first().and_then(|n| p.at.get(n)).copied();
    let along = along(sweep);
    let chart = |title: &str, x: &Axis, y: &str, of: &dyn Fn(&Point) -> Option<(f64, f64)>| Chart {
        title: title.to_owned(),
        x: x.clone(),
        y: Axis::linear(y),
        series: series(sweep, of),
        ..Chart::default()
    };
    let nats = Axis::linear("rate, nats per row");
    let both = |x: Option<f64>, y: Option<f64>| x.zip(y);
    let all = vec![
        (
            "distortion.svg",
            chart("Distortion against rate", &nats, "distortion, nats per row", &|p| {
                both(rate(p), Some(p.account.distortion))
            }),
        ),
        ("energy.svg", chart("Energy against rate", &nats, "spikes per row", &|p| both(rate(p), p.account.energy))),
        ("sparsity.svg", chart("Sparsity", &along, "fraction of zeros", &|p| both(swept(p), zeros(p)))),
        ("activity.svg", chart("Activity", &along, "mean activity of a unit", &|p| both(swept(p), activity(p)))),
    ];
    all.into_iter().filter(|(_, chart)| !chart.series.is_empty()).collect()
}

/// The axis of what runs along a curve.
fn along(sweep: &Sweep) -> Axis {
    let name = sweep.over.first().cloned().unwrap_or_default();
    let unit = sweep.units.first().cloned().flatten().map(|u| format!(", {u}")).unwrap_or_default();
    let values: Vec<f64> = sweep.points.iter().filter_map(|p| p.at.get(&name).copied()).collect();
    let (low, high) = values.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), &v| (l.min(v), h.max(v)));
    Axis { label: format!("{name}{unit}"), log: low > 0.0 && high / low > WIDE, ..Axis::default() }
}

/// Mean activity of a unit: of the first code of counts, or else of the first meter.
fn activity(p: &Point) -> Option<f64> {
    let of_counts = p.latents.values().find_map(|l| Some(l.energy? / l.of.filter(|&n| n > 0)? as f64));
    of_counts.or_else(|| p.meters.values().map(|m| m.mean).next())
}

/// A line for each value of the second name, along the first.
fn series(sweep: &Sweep, of: &dyn Fn(&Point) -> Option<(f64, f64)>) -> Vec<Series> {
    let (first, second) = (sweep.over.first(), sweep.over.get(1));
    let value = |p: &Point| second.and_then(|n| p.at.get(n)).copied();
    let mut curves: Vec<(Option<f64>, Vec<&Point>)> = vec![];
    for p in sweep.points.iter().filter(|p| p.failed.is_none()) {
        match curves.iter_mut().find(|(v, _)| *v == value(p)) {
            Some((_, points)) => points.push(p),
            None => curves.push((value(p), vec![p])),
        }
    }
    let place = |p: &Point| first.and_then(|n| p.at.get(n)).copied().unwrap_or(f64::NAN);
    let drawn = curves.into_iter().filter_map(|(along, mut points)| {
        points.sort_by(|a, b| place(a).total_cmp(&place(b)));
        let points: Vec<(f64, f64)> = points.into_iter().filter_map(of).collect();
        let name = second.zip(along).map(|(n, v)| sweep.said(n, v)).unwrap_or_default();
        (!points.is_empty()).then_some(Series { name, points, marks: true, ..Series::default() })
    });
    drawn.collect()
}
