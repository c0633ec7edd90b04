//! An answer as it streams: rows to stdout, what it could not see to stderr or into the JSON.

use hanse_proto::admin::ClusterView;
use serde_json::Value;
use tonic::{Response, Status};

use super::question::Question;
use super::sheet::{Format, Row, Sheet};
use super::views;
use crate::failure::{Failure, Outcome};
use crate::hub::Hub;
use crate::output;
use crate::text::escape;

/// Rows that come one by one.
#[derive(Debug)]
pub(crate) struct Answer<R> {
    sheet: Sheet<R>,
    format: Format,
    views: Vec<ClusterView>,
}

impl<R: Row> Answer<R> {
    /// Says what was understood, and begins.
    pub(crate) fn begin(format: Format, question: &Question) -> Outcome<Self> {
        if format.is_text() {
            output::note(&escape(&question.line()));
        }
        let sheet = Sheet::new(format, question.now, &question.json()?)?;
        Ok(Self { sheet, format, views: Vec::new() })
    }

    pub(crate) fn row(&mut self, row: &R) -> Outcome<()> {
        self.sheet.push(row)?;
        match self.sheet.ready() {
            Some(text) => self.write(&text),
            None => Ok(()),
        }
    }

    pub(crate) fn view(&mut self, view: ClusterView) {
        self.views.push(view);
    }

    fn write(&self, text: &str) -> Outcome<()> {
        // CSV and JSON must arrive as they are.
        if self.format.is_text() { output::data(text) } else { output::exact(text.as_bytes()) }
    }

    /// Writes the rest, and says how many rows there were. `nothing`: what no row at all means. Errors:
    /// no cluster was asked.
    pub(crate) fn end(self, nothing: &str) -> Outcome<u64> {
        let Self { sheet, format, views } = self;
        let rows = sheet.count();
        let shown = views.iter().map(output::value).collect::<Outcome<Vec<Value>>>()?;
        let rest = sheet.end(&Value::Array(shown))?;
        if format.is_text() {
            output::data(&rest)?;
        } else {
            output::exact(rest.as_bytes())?;
        }
        if views.is_empty() && rows == 0 {
            return Err(no_clusters());
        }
        if format.is_text() && rows == 0 {
            output::note(nothing);
        }
        if format != Format::Json {
            note_views(&views);
        }
        Ok(rows)
    }
}

/// Puts a question. A cluster that is not there is what one can be wrong about.
pub(crate) async fn ask<T>(
    hub: &Hub,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Outcome<T> {
    hub.call(call).await.map_err(|failure| {
        if failure.code() == "not-found" { failure.hint("hanse cluster list") } else { failure }
    })
}

/// What an answer could not see.
pub(crate) fn note_views(views: &[ClusterView]) {
    if let Some(block) = views::block(views) {
        output::note(&format!("\n{block}"));
    }
}

/// An answer about nothing must not look like a good one.
pub(crate) fn no_clusters() -> Failure {
    Failure::new("no-clusters", "no cluster was asked")
        .why("the fleet has none, or none with these names and labels")
        .hint("hanse cluster list")
}
