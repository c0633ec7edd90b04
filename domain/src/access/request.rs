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

impl Request {
    /// With objects of the API, as somebody asks about them: without a name it is about any object.
    /// When an object is created its name is not looked at, so that `create` without a name is a request
    /// without one: rules limited to some names give nothing.
    pub fn resource(
        verb: String,
        api_group: String,
        resource: String,
        subresource: String,
        name: String,
    ) -> Self {
        let creates = verb == "create" && subresource.is_empty();
        let name = (creates || !name.is_empty()).then_some(name);
        Self::Resource { verb, api_group, resource, subresource, name }
    }

    /// As the API server decides: without a name it is a request without one.
    #[must_use]
    pub fn exact(self) -> Self {
        match self {
            Self::Resource { verb, api_group, resource, subresource, name } => {
                let name = Some(name.unwrap_or_default());
                Self::Resource { verb, api_group, resource, subresource, name }
            }
            Self::Path { .. } => self,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name(request: &Request) -> Option<&str> {
        match request {
            Request::Resource { name, .. } => name.as_deref(),
            Request::Path { .. } => None,
        }
    }

    #[test]
    fn without_a_name_it_is_about_any_object_but_for_create() {
        for (verb, subresource, given, asked) in [
            ("get", "", "", None),
            ("get", "", "db", Some("db")),
            ("list", "", "", None),
            ("create", "", "", Some("")),
            ("create", "exec", "", None),
            ("create", "exec", "web", Some("web")),
            ("*", "", "", None),
        ] {
            let [verb, group, pods, sub, given] =
                [verb, "", "pods", subresource, given].map(str::to_owned);
            let request = Request::resource(verb, group, pods, sub, given);
            assert_eq!(name(&request), asked, "{request}");
            let exact = request.clone().exact();
            assert_eq!(name(&exact), Some(asked.unwrap_or_default()), "{request}");
        }
        let path = Request::Path { verb: "get".to_owned(), path: "/metrics".to_owned() };
        assert_eq!(path.clone().exact(), path);
    }
}
