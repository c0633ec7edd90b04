//! What a check found, in sections.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::text::escape;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug)]
struct Finding {
    level: Level,
    text: String,
    hint: String,
}

#[derive(Debug)]
struct Section {
    name: &'static str,
    findings: Vec<Finding>,
}

/// All findings, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Section>);

impl Findings {
    pub(super) fn section(&mut self, name: &'static str) {
        self.0.push(Section { name, findings: Vec::new() });
    }

    pub(super) fn ok(&mut self, text: String) {
        self.add(Level::Ok, text, String::new());
    }

    pub(super) fn warning(&mut self, text: String, hint: impl Into<String>) {
        self.add(Level::Warning, text, hint.into());
    }

    pub(super) fn failed(&mut self, text: String, hint: impl Into<String>) {
        self.add(Level::Failed, text, hint.into());
    }

    fn add(&mut self, level: Level, text: String, hint: String) {
        if self.0.is_empty() {
            self.section("hanse");
        }
        if let Some(section) = self.0.last_mut() {
            section.findings.push(Finding { level, text, hint });
        }
    }

    pub(super) fn any_failed(&self) -> bool {
        self.all().any(|finding| finding.level == Level::Failed)
    }

    fn all(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().flat_map(|section| &section.findings)
    }

    pub(super) fn text(&self) -> String {
        let bold = Style::new().bold();
        let mut out = String::new();
        for section in &self.0 {
            let _ = writeln!(out, "{bold}{}{bold:#}", section.name);
            for finding in &section.findings {
                let (sign, colour) = match finding.level {
                    Level::Ok => ("√", AnsiColor::Green),
                    Level::Warning => ("‼", AnsiColor::Yellow),
                    Level::Failed => ("×", AnsiColor::Red),
                };
                let style = Style::new().fg_color(Some(colour.into()));
                let _ = writeln!(out, "  {style}{sign}{style:#} {}", escape(&finding.text));
                if !finding.hint.is_empty() {
                    let _ = writeln!(out, "    hint: {}", escape(&finding.hint));
                }
            }
            out.push('\n');
        }
        let count = |level| self.all().filter(|finding| finding.level == level).count();
        let (failed, warnings) = (count(Level::Failed), count(Level::Warning));
        let _ = match (failed, warnings) {
            (0, 0) => writeln!(out, "Everything is in order."),
            (0, _) => writeln!(out, "In order, with {}.", crate::text::count(warnings, "warning")),
            _ => writeln!(out, "{} failed.", crate::text::count(failed, "check")),
        };
        out
    }

    pub(super) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            let level = match finding.level {
                Level::Ok => "ok",
                Level::Warning => "warning",
                Level::Failed => "failed",
            };
            json!({ "level": level, "text": finding.text, "hint": finding.hint })
        };
        let section = |section: &Section| json!({ "name": section.name, "findings": section.findings.iter().map(finding).collect::<Vec<_>>() });
        json!({
            "ok": !self.any_failed(),
            "sections": self.0.iter().map(section).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_in_sections() {
        let mut findings = Findings::default();
        findings.section("configuration");
        findings.ok("there".to_owned());
        findings.warning("old\u{1b}".to_owned(), "renew it");
        assert!(!findings.any_failed());
        findings.section("connection");
        findings.failed("refused".to_owned(), "hanse-control-plane serve");
        assert!(findings.any_failed());
        let text = anstream::adapter::strip_str(&findings.text()).to_string();
        insta::assert_snapshot!(text, @r"
        configuration
          √ there
          ‼ old\u{1b}
            hint: renew it

        connection
          × refused
            hint: hanse-control-plane serve

        1 check failed.
        ");
        assert_eq!(findings.json().pointer("/ok"), Some(&Value::Bool(false)));
    }
}
