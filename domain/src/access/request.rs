//! What somebody wants to do, and where.

use std::fmt;

/// What somebody wants to do, as a `SubjectAccessReview` says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// With objects of the API.
    Resource {
        /// "get", "list", "create", …
        verb: String,
        /// Empty for the core group.
        api_group: String,
        /// The plural: "secrets".
        resource: String,
        /// "log" of "pods/log"; empty for the object itself.
        subresource: String,
        /// `None` asks about any object: rules limited to some names answer too, and say which.
        /// `Some("")` is a request without a name (list, create), as Kubernetes sees it.
        name: Option<String>,
    },
    /// With a path that is no resource: "/metrics".
    Path {
        /// "get", "post", …
        verb: String,
        /// Without a query.
        path: String,
    },
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { verb, path } => write!(f, "{verb} {path}"),
            Self::Resource { verb, api_group, resource, subresource, name } => {
                write!(f, "{verb} {resource}")?;
                if !api_group.is_empty() {
                    write!(f, ".{api_group}")?;
                }
                if !subresource.is_empty() {
                    write!(f, "/{subresource}")?;
                }
                match name.as_deref() {
                    None | Some("") => Ok(()),
                    Some(name) => write!(f, " {name}"),
                }
            }
        }
    }
}

/// Where somebody wants to do it. A path is asked for in the whole cluster, whatever this says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In the whole cluster: only cluster role bindings count.
    Cluster,
    /// In one namespace: cluster role bindings and the role bindings there.
    Namespace(String),
    /// In any namespace or in the whole cluster: every binding counts.
    AllNamespaces,
}
