//! A report as one page for people: no scripts, nothing from elsewhere, made to be printed. It begins
//! with what matters and ends with how to check it. Whoever reads it need not know Kubernetes.
//!
//! Everything that is not a constant of this module goes through [`text`]: names in clusters are
//! written by whoever may write there.

mod cluster;
mod front;

use super::answer::Answer;
use super::groups::Group;
use super::question::Question;
use super::standing::Proof;
use super::summary::{Cluster, Head, Summary};
use crate::failure::Outcome;
use crate::text::escape;

const STYLE: &str = include_str!("style.css");

/// Takes the page piece by piece.
pub(crate) type Put<'p> = &'p mut dyn FnMut(&str) -> Outcome<()>;

/// What comes before the clusters.
pub(crate) fn begin(
    question: &Question,
    head: &Head,
    groups: &[Group],
    summary: &Summary,
) -> String {
    let title = format!("{}, {}", question.words(), question.when.words());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Access report: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        text(&title)
    );
    front::write(&mut out, question, head, groups, summary);
    out
}

/// One cluster.
pub(crate) fn cluster(
    answer: &Answer,
    about: &Cluster,
    question: &Question,
    put: Put<'_>,
) -> Outcome<()> {
    cluster::write(answer, about, question, put)
}

/// What comes after the clusters.
pub(crate) fn end(head: &Head) -> String {
    format!(
        "<section>\n<h2>How to verify this report</h2>\n\
         <p>This page is one of the forms of a report that was made as a <em>bundle</em>: one file with \
         the signed history of the fleet, every object that decides access, what each cluster's agent \
         signed for, and this page. With the bundle, anybody can check all of it on a machine without a \
         network:</p>\n\
         <pre>hanse report verify BUNDLE --trust-root {fleet}</pre>\n\
         <p>It replays the history from the trust root with this digest, which you must know from \
         somebody whom you believe and not from this page; takes from it who signs for each cluster; \
         checks each signature and compares what was signed with the objects; works out this report \
         once more and compares it to the byte. Without this program it can be done by hand, too: see \
         <code>docs/evidence.md</code> of Hanse.</p>\n\
         <p>If you have only this page, ask whoever gave it to you for the bundle: \
         <code>hanse report access -o bundle</code>.</p>\n</section>\n</body>\n</html>\n",
        fleet = head.fleet
    )
}

/// Text that came from elsewhere: nothing in it is markup, steers or hides anything.
fn text(from: &str) -> String {
    let shown = escape(from);
    let mut out = String::with_capacity(shown.len() + 8);
    for c in shown.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A mark for how sure something is.
fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Proven => "<span class=\"tag good\">proven</span>",
        Proof::FromGroup => "<span class=\"tag odd\">proven from the group on</span>",
        Proof::Partly => "<span class=\"tag odd\">partly proven</span>",
        Proof::Claimed => "<span class=\"tag bad\">not proven</span>",
    }
}

/// A mark for a whole cluster.
fn state(cluster: &Cluster) -> &'static str {
    if cluster.contradicted {
        "<span class=\"tag bad\">contradicted</span>"
    } else if cluster.shown {
        proof(cluster.proof)
    } else {
        "<span class=\"tag bad\">nothing known</span>"
    }
}
