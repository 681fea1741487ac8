//! What was measured, and the targets that are judged by it. Figures are compared within a round, never between rounds.

use serde_json::{Value, json};

use crate::stats;

/// One figure of one system in one round of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Such as `keep-alive/64`.
    pub case: String,
    pub round: usize,
    pub system: String,
    pub metric: String,
    pub value: f64,
}

#[derive(Debug, Default)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    pub fn add(&mut self, case: &str, round: usize, system: &str, figures: &[(&str, f64)]) {
        let sample = |(metric, value): &(&str, f64)| Sample {
            case: case.into(),
            round,
            system: system.into(),
            metric: (*metric).into(),
            value: *value,
        };
        self.0.extend(figures.iter().map(sample));
    }

    /// Takes over the cases of an earlier run that this one has not measured.
    pub fn keep(&mut self, earlier: Self) {
        let measured: Vec<String> = self.cases().into_iter().map(str::to_owned).collect();
        let kept = earlier.0.into_iter().filter(|sample| !measured.contains(&sample.case));
        self.0 = kept.chain(std::mem::take(&mut self.0)).collect();
    }

    /// The cases in the order in which they came.
    pub fn cases(&self) -> Vec<&str> {
        distinct(self.0.iter().map(|s| s.case.as_str()))
    }

    pub fn systems(&self, case: &str) -> Vec<&str> {
        distinct(self.0.iter().filter(|s| s.case == case).map(|s| s.system.as_str()))
    }

    /// What was measured of a system.
    pub fn metrics(&self, case: &str, system: &str) -> Vec<&str> {
        distinct(self.0.iter().filter(|s| s.case == case && s.system == system).map(|s| s.metric.as_str()))
    }

    pub fn rounds(&self, case: &str) -> Vec<Round<'_>> {
        let rounds = distinct(self.0.iter().filter(|s| s.case == case).map(|s| s.round));
        rounds.into_iter().map(|round| Round { samples: self, case: case.to_owned(), round }).collect()
    }

    pub fn json(&self) -> Value {
        self.0
            .iter()
            .map(
                |s| json!({"case": s.case, "round": s.round, "system": s.system, "metric": s.metric, "value": s.value}),
            )
            .collect()
    }

    /// What [`Samples::json`] has written; what is none is left out.
    pub fn from_json(text: &Value) -> Self {
        let sample = |s: &Value| {
            Some(Sample {
                case: s["case"].as_str()?.into(),
                round: usize::try_from(s["round"].as_u64()?).ok()?,
                system: s["system"].as_str()?.into(),
                metric: s["metric"].as_str()?.into(),
                value: s["value"].as_f64()?,
            })
        };
        Self(text.as_array().into_iter().flatten().filter_map(sample).collect())
    }
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// The figures of a case that may be compared with each other.
pub struct Round<'a> {
    samples: &'a Samples,
    case: String,
    round: usize,
}

impl Round<'_> {
    pub fn of(&self, system: &str, metric: &str) -> Option<f64> {
        let found =
            |s: &&Sample| s.case == self.case && s.round == self.round && s.system == system && s.metric == metric;
        self.samples.0.iter().find(found).map(|s| s.value)
    }

    /// The largest of several systems' figures; all of them must be there.
    pub fn best(&self, systems: &[&str], metric: &str) -> Option<f64> {
        systems.iter().map(|system| self.of(system, metric)).try_fold(0.0, |best: f64, one| Some(best.max(one?)))
    }

    /// A figure of one system over the same of another.
    pub fn over(&self, system: &str, other: &str, metric: &str) -> Option<f64> {
        stats::ratio(self.of(system, metric)?, self.of(other, metric)?)
    }

    /// A figure of one system over the best of several.
    pub fn over_best(&self, system: &str, others: &[&str], metric: &str) -> Option<f64> {
        stats::ratio(self.of(system, metric)?, self.best(others, metric)?)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Measured and stated.
    Stated,
}

/// A promise about the figures of a case.
pub struct Target {
    pub case: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    pub bound: Bound,
    pub figure: fn(&Round<'_>) -> Option<f64>,
}

/// What the rounds make of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
    /// `None` where nothing is promised.
    pub holds: Option<bool>,
}

impl Target {
    /// `None` when its case was not measured with all that it compares.
    pub fn judge(&self, samples: &Samples) -> Option<Finding> {
        let figures: Vec<f64> = samples.rounds(self.case).iter().filter_map(|round| (self.figure)(round)).collect();
        let median = stats::median(&figures)?;
        let holds = match self.bound {
            Bound::AtLeast(bound) => Some(median >= bound),
            Bound::AtMost(bound) => Some(median <= bound),
            Bound::Stated => None,
        };
        let lowest = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Finding { median, lowest, highest, holds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Samples {
        let mut samples = Samples::default();
        for (round, hook, bore, rathole) in [(0, 20.0, 10.0, 5.0), (1, 30.0, 10.0, 20.0), (2, 90.0, 30.0, 10.0)] {
            samples.add("case", round, "hook", &[("rate", hook)]);
            samples.add("case", round, "bore", &[("rate", bore)]);
            samples.add("case", round, "rathole", &[("rate", rathole)]);
        }
        samples
    }

    fn target(bound: Bound) -> Target {
        Target {
            case: "case",
            what: "",
            unit: "×",
            bound,
            figure: |r| r.over_best("hook", &["bore", "rathole"], "rate"),
        }
    }

    #[test]
    fn a_target_is_the_median_of_the_ratios_of_each_round() {
        let found = target(Bound::AtLeast(2.0)).judge(&samples()).unwrap();
        assert_eq!((found.lowest, found.median, found.highest), (1.5, 2.0, 3.0));
        assert_eq!(found.holds, Some(true));
        assert_eq!(target(Bound::AtMost(1.9)).judge(&samples()).unwrap().holds, Some(false));
        assert_eq!(target(Bound::AtLeast(2.1)).judge(&samples()).unwrap().holds, Some(false));
        assert_eq!(target(Bound::Stated).judge(&samples()).unwrap().holds, None);
    }

    #[test]
    fn the_cases_of_an_earlier_run_are_kept_until_they_are_measured_again() {
        let mut earlier = samples();
        earlier.add("other", 0, "hook", &[("rate", 1.0)]);
        let earlier = Samples::from_json(&earlier.json());
        let mut new = Samples::default();
        new.add("case", 0, "hook", &[("rate", 7.0)]);
        new.keep(earlier);
        assert_eq!(new.cases(), ["other", "case"]);
        assert_eq!(new.rounds("case").len(), 1);
        assert_eq!(new.rounds("case")[0].of("hook", "rate"), Some(7.0));
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let mut one = Samples::default();
        one.add("case", 0, "hook", &[("rate", 1.0)]);
        one.add("case", 0, "bore", &[("rate", 1.0)]);
        assert_eq!(target(Bound::AtLeast(0.1)).judge(&one), None);
        assert_eq!(target(Bound::AtLeast(0.1)).judge(&Samples::default()), None);
    }
}
