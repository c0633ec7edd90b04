//! `hanse explain`: what the fields of a kind mean.

use std::fmt::Write as _;

use hanse_domain::document::Kind;
use hanse_domain::parse::API_VERSION;

use crate::explained::{self, Field, child_of};
use crate::failure::{Exit, Failure, Outcome};
use crate::{kinds, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kind, and the path of a field in it: role, role.spec.rules, binding.spec.expiresAt
    #[arg(value_name = "KIND[.FIELD]")]
    what: Option<String>,

    /// Show all fields below as well
    #[arg(long)]
    recursive: bool,
}

impl Args {
    pub(crate) fn run(self) -> Outcome {
        let text = match &self.what {
            None => overview(),
            Some(what) => {
                let (kind, path) = what.split_once('.').unwrap_or((what, ""));
                explain(kinds::kind(kind)?, path, self.recursive)?
            }
        };
        output::data(&text)?;
        Ok(Exit::OK)
    }
}

fn overview() -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        let _ = writeln!(out, "{}\n    {}", kind.name(), explained::description(kind));
    }
    out
}

fn explain(kind: Kind, path: &str, recursive: bool) -> Outcome<String> {
    let fields = explained::fields(kind);
    let plain = |path: &str| path.replace("[]", "");
    let wanted = plain(path);
    let mut out = format!("KIND:     {}\nVERSION:  {API_VERSION}\n", kind.name());
    let mut parent = String::new();
    let mut description = explained::description(kind);
    if !wanted.is_empty() {
        let field = fields.iter().find(|field| plain(&field.path) == wanted).ok_or_else(|| {
            Failure::usage(format!("{} has no field `{path}`", kind.name()))
                .hint(format!("hanse explain {} --recursive", kind.name()))
        })?;
        let _ = write!(out, "\nFIELD:    {}  {}\n", field.path, kind_of(field));
        description = field.text;
        parent.clone_from(&field.path);
    }
    let _ = write!(out, "\nDESCRIPTION:\n    {description}\n");
    let mut below = String::new();
    for field in &fields {
        if recursive {
            let inside =
                parent.is_empty() || (field.path.starts_with(&parent) && field.path != parent);
            if inside {
                let _ = writeln!(below, "  {}  {}", field.path, kind_of(field));
            }
        } else if let Some(name) = child_of(&field.path, &parent) {
            let _ = writeln!(below, "  {name}  {}\n      {}", kind_of(field), field.text);
        }
    }
    if !below.is_empty() {
        let _ = write!(out, "\nFIELDS:\n{below}");
    }
    Ok(out)
}

fn kind_of(field: &Field) -> String {
    let required = if field.required { " (required)" } else { "" };
    format!("<{}>{required}", field.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_what_is_below_it() {
        let text = explain(Kind::FederatedRole, "spec.placement", false);
        insta::assert_snapshot!(text.unwrap_or_default(), @"
        KIND:     FederatedRole
        VERSION:  hanse.dev/v1alpha1

        FIELD:    spec.placement  <object> (required)

        DESCRIPTION:
            The clusters: those that are named and those that the selector matches.

        FIELDS:
          clusterNames  <[]string>
              Clusters by their names.
          clusterSelector  <selector>
              Clusters by the labels of their roster entries. `{}` is every cluster.
        ");
        let leaf = explain(Kind::FederatedRole, "spec.rules.verbs", false);
        insta::assert_snapshot!(leaf.unwrap_or_default(), @"
        KIND:     FederatedRole
        VERSION:  hanse.dev/v1alpha1

        FIELD:    spec.rules[].verbs  <[]string> (required)

        DESCRIPTION:
            Verbs such as `get`, `list` and `watch`. `*` is a hazard.
        ");
        assert!(explain(Kind::FederatedRole, "spec.rule", false).is_err());
    }
}
