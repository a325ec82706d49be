//! The figures of a run, for people and for programs.

use serde_json::{Value, json};

use super::{Sample, UPLOAD_MIB, case::Case};
use crate::failure::Failure;

/// All that was measured.
pub(super) struct Table {
    pub(super) load: String,
    pub(super) mib: u32,
    pub(super) rounds: u32,
    pub(super) connections: u32,
    pub(super) nginx: Option<String>,
    pub(super) rows: Vec<Row>,
    pub(super) upload: Upload,
}

/// One case on all servers.
pub(super) struct Row {
    pub(super) case: Case,
    pub(super) nudge: Cost,
    pub(super) sendfile: Option<Cost>,
    pub(super) no_sendfile: Option<Cost>,
}

/// Medians over the runs of a case.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    mib_per_second: f64,
    cpu_seconds_per_gib: f64,
}

/// What uploads came to.
pub(super) struct Upload {
    cost: Cost,
    dd_mib_per_second: f64,
}

impl Cost {
    pub(super) fn of(runs: &[Sample]) -> Self {
        Self {
            mib_per_second: median(runs.iter().map(Sample::mib_per_second)),
            cpu_seconds_per_gib: median(runs.iter().map(Sample::cpu_seconds_per_gib)),
        }
    }

    /// What a core that does nothing else would serve in a second.
    fn mib_per_core_second(self) -> f64 {
        1024.0 / self.cpu_seconds_per_gib.max(f64::MIN_POSITIVE)
    }

    fn json(self) -> Value {
        json!({
            "mib_per_second": self.mib_per_second,
            "cpu_seconds_per_gib": self.cpu_seconds_per_gib,
            "mib_per_core_second": self.mib_per_core_second(),
        })
    }
}

impl Upload {
    pub(super) fn of(uploads: &[Sample], dd_seconds: &[f64]) -> Self {
        let dd = dd_seconds.iter().map(|seconds| UPLOAD_MIB as f64 / seconds);
        Self { cost: Cost::of(uploads), dd_mib_per_second: median(dd) }
    }

    fn ratio(&self) -> f64 {
        self.cost.mib_per_second / self.dd_mib_per_second
    }
}

impl Row {
    /// nginx at its better setting.
    fn nginx(&self) -> Option<Cost> {
        let settings = self.sendfile.into_iter().chain(self.no_sendfile);
        settings.min_by(|one, other| one.cpu_seconds_per_gib.total_cmp(&other.cpu_seconds_per_gib))
    }

    /// How many times as much as nginx a core serves.
    fn ratio(&self) -> Option<f64> {
        Some(self.nudge.mib_per_core_second() / self.nginx()?.mib_per_core_second())
    }
}

impl Table {
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            println!("{}", serde_json::to_string(&self.json())?);
        } else {
            println!("{}", self.text());
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let cases = self.rows.iter().map(|row| {
            json!({
                "shape": row.case.shape.name(),
                "protocol": row.case.protocol.name(),
                "nudge": row.nudge.json(),
                "nginx_sendfile": row.sendfile.map(Cost::json),
                "nginx_no_sendfile": row.no_sendfile.map(Cost::json),
                "times_nginx": row.ratio(),
            })
        });
        json!({
            "load": self.load,
            "nginx": self.nginx,
            "mib_per_run": self.mib,
            "rounds": self.rounds,
            "connections": self.connections,
            "downloads": cases.collect::<Vec<_>>(),
            "upload": {
                "mib": UPLOAD_MIB,
                "nudge": self.upload.cost.json(),
                "dd_mib_per_second": self.upload.dd_mib_per_second,
                "of_dd": self.upload.ratio(),
            },
        })
    }

    fn text(&self) -> String {
        let Self { mib, rounds, connections, load, .. } = self;
        let nginx = self.nginx.as_deref().unwrap_or("not there");
        let mut lines = vec![
            format!("{mib} MiB in each of {rounds} runs over {connections} connections"),
            format!("load: {load}; nginx: {nginx}, at its better setting of sendfile"),
            String::new(),
            format!(
                "{:27} {:>8} {:>14} {:>15} {:>9} {:>8}",
                "download", "MiB/s", "CPU s per GiB", "MiB per core-s", "nginx's", "times"
            ),
        ];
        lines.extend(self.rows.iter().map(Row::text));
        let upload = &self.upload;
        lines.push(String::new());
        lines.push(format!(
            "upload of {} MiB: {:.0} MiB/s, {:.2} CPU s per GiB; {:.2} of dd conv=fsync ({:.0} MiB/s)",
            UPLOAD_MIB,
            upload.cost.mib_per_second,
            upload.cost.cpu_seconds_per_gib,
            upload.ratio(),
            upload.dd_mib_per_second,
        ));
        lines.join("\n")
    }
}

impl Row {
    fn text(&self) -> String {
        let name = format!("{}, {}", self.case.shape.name(), self.case.protocol.name());
        let figure = |figure: Option<f64>, digits: usize| {
            figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"))
        };
        format!(
            "{name:27} {:8.0} {:14.3} {:15.0} {:>9} {:>8}",
            self.nudge.mib_per_second,
            self.nudge.cpu_seconds_per_gib,
            self.nudge.mib_per_core_second(),
            figure(self.nginx().map(Cost::mib_per_core_second), 0),
            figure(self.ratio(), 2),
        )
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{MIB, case::Shape},
        *,
    };

    fn cost(cpu_ms: u64) -> Cost {
        let sample = Sample { bytes: 1024 * MIB, seconds: 2.0, cpu: Duration::from_millis(cpu_ms) };
        Cost::of(&[sample])
    }

    #[test]
    fn the_yardstick_is_nginx_at_its_better_setting() {
        let case = Case::all().last().unwrap();
        assert_eq!(case.shape, Shape::Range256);
        let (nudge, sendfile, no_sendfile) = (cost(500), Some(cost(2000)), Some(cost(1000)));
        let row = Row { case, nudge, sendfile, no_sendfile };
        assert_eq!(row.ratio(), Some(2.0));
        assert_eq!(Row { sendfile: Some(cost(250)), ..row }.ratio(), Some(0.5));
        assert!((nudge.mib_per_core_second() - 2048.0).abs() < 1e-6);
        assert!((nudge.mib_per_second - 512.0).abs() < 1e-6);
    }

    #[test]
    fn a_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
