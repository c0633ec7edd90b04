//! What somebody wants to do: `get secrets`, `create pods/exec`, `get secrets db-password`,
//! `get /metrics`.

use hanse_proto::admin::AccessRequest;

use super::known::{self, Reach};
use crate::failure::{Failure, Outcome};
use crate::text::near;

/// The words of a question on the command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct What {
    /// get, list, watch, create, update, patch, delete, deletecollection, impersonate, bind, …, or *
    pub(crate) verb: String,
    /// As rules name it: secrets, pods/log, deployments.apps, a short name, *, or a path as /metrics
    pub(crate) resource: String,
    /// One object's name
    pub(crate) name: Option<String>,
}

/// The same where everything is meant without them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MaybeWhat {
    /// With RESOURCE: only who can do this
    #[arg(requires = "resource")]
    verb: Option<String>,
    /// As rules name it: secrets, pods/log, deployments.apps, a short name, *, or a path as /metrics
    resource: Option<String>,
    /// One object's name
    name: Option<String>,
}

/// A request that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) request: AccessRequest,
    /// Where its objects are, when that is known. A path is nowhere.
    pub(crate) reach: Option<Reach>,
    /// What looks odd about it and may be meant all the same.
    pub(crate) warnings: Vec<String>,
}

const VERBS: [&str; 17] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "impersonate",
    "bind",
    "escalate",
    "use",
    "approve",
    "sign",
    "attest",
    "post",
    "put",
];
/// Of paths.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];
const MAX_WORD: usize = 512;

impl What {
    pub(crate) fn asked(&self) -> Outcome<Asked> {
        parse(&self.verb, &self.resource, self.name.as_deref())
    }
}

impl MaybeWhat {
    pub(crate) fn asked(&self) -> Outcome<Option<Asked>> {
        let words = self.verb.as_ref().zip(self.resource.as_ref());
        words.map(|(verb, what)| parse(verb, what, self.name.as_deref())).transpose()
    }
}

/// Reads a request.
pub(crate) fn parse(verb: &str, resource: &str, name: Option<&str>) -> Outcome<Asked> {
    for (what, word) in [("verb", verb), ("resource", resource), ("name", name.unwrap_or("x"))] {
        if word.trim().is_empty() || word.len() > MAX_WORD {
            let why = if word.trim().is_empty() { "it is empty" } else { "it is too long" };
            return Err(Failure::usage(format!("the {what} makes no sense")).why(why));
        }
    }
    let mut warnings = Vec::new();
    let path = resource.starts_with('/');
    let verb = self::verb(verb, path, &mut warnings)?;
    if path {
        if let Some(name) = name {
            return Err(Failure::usage(format!(
                "a path has no objects, so that `{name}` is too much"
            ))
            .hint(format!("hanse who-can {verb} {resource}")));
        }
        let request = AccessRequest { verb, path: resource.to_owned(), ..AccessRequest::default() };
        return Ok(Asked { request, reach: Some(Reach::Cluster), warnings });
    }
    let (mut request, reach) = self::resource(resource)?;
    request.verb = verb;
    name.unwrap_or_default().clone_into(&mut request.name);
    let named = !request.name.is_empty() && request.subresource.is_empty();
    if named && request.verb == "create" {
        return Err(Failure::usage("create with a name cannot be asked")
            .why("when an object is created its name is not looked at, so that rules for names do not count")
            .hint(format!("leave `{}` out", request.name)));
    }
    if named && ["list", "watch", "deletecollection"].contains(&&*request.verb) {
        warnings.push(format!(
            "{0} is about all objects of a namespace; with a name it is asked as `{0} \
             --field-selector metadata.name={1}` would be",
            request.verb, request.name
        ));
    }
    Ok(Asked { request, reach, warnings })
}

fn verb(text: &str, path: bool, warnings: &mut Vec<String>) -> Outcome<String> {
    let lower = text.to_lowercase();
    if text == "*" || (path && METHODS.contains(&&*lower)) || (!path && VERBS.contains(&&*lower)) {
        return Ok(lower);
    }
    if text.contains(',') {
        let one = lower.split(',').next().unwrap_or_default();
        return Err(Failure::usage(format!("`{text}` are several verbs"))
            .hint(format!("ask for one at a time: {one}")));
    }
    let meant = match &*lower {
        "read" | "view" => "reading is get, list and watch: ask for one of them",
        "write" | "edit" | "change" => "writing is create, update, patch and delete: ask for one",
        "exec" => "a command in a pod: create pods/exec",
        "run" => "running something: create pods, or create deployments",
        "scale" => "scaling something: update deployments/scale",
        "all" | "any" => "everything is written '*'",
        _ => "",
    };
    if !meant.is_empty() {
        return Err(Failure::usage(format!("`{text}` is not a verb of Kubernetes")).hint(meant));
    }
    let known = if path { &METHODS[..] } else { &VERBS[..] };
    let near = near(&lower, known.iter().copied(), &format!("verbs are {}", known.join(", ")));
    if path || near.starts_with("did you mean") && text != lower {
        return Err(Failure::usage(format!("`{text}` is not a verb that is used here")).hint(near));
    }
    warnings.push(format!("`{text}` is no verb that Kubernetes itself uses; {near}"));
    Ok(text.to_owned())
}

/// `RESOURCE[.GROUP][/SUBRESOURCE]`.
fn resource(text: &str) -> Outcome<(AccessRequest, Option<Reach>)> {
    let (whole, subresource) = text.split_once('/').unwrap_or((text, ""));
    if subresource.contains('/') || (subresource.is_empty() && text.contains('/')) {
        return Err(Failure::usage(format!("`{text}` is not a resource"))
            .why("a subresource is one word after one `/`")
            .hint("for example: pods/log, deployments.apps/scale; a name is a word of its own"));
    }
    let made = |group: &str, name: &str| AccessRequest {
        api_group: group.to_owned(),
        resource: name.to_owned(),
        subresource: subresource.to_owned(),
        ..AccessRequest::default()
    };
    let (name, group) = match whole.split_once('.') {
        Some((name, group)) => (name, Some(without_version(group))),
        None => (whole, None),
    };
    match (name, group) {
        ("", _) => Err(Failure::usage(format!("`{text}` is not a resource")).why("it has no name")),
        ("*", group) => Ok((made(group.unwrap_or("*"), "*"), None)),
        (name, group) => match (known::find(name, group), group) {
            (Some(known), _) => {
                if !subresource.is_empty() && !known.subresources {
                    return Err(Failure::usage(format!("{} have no `{subresource}`", known.name))
                        .why("what follows a `/` is a subresource, and they have none")
                        .hint(format!(
                            "the name of one is a word of its own: {} {subresource}",
                            known.name
                        )));
                }
                Ok((made(known.group, known.name), Some(known.reach)))
            }
            (None, Some(group)) => Ok((made(group, name), None)),
            (None, None) => Err(Failure::usage(format!(
                "`{name}` is no resource that every cluster has"
            ))
            .hint(near(
                &name.to_lowercase(),
                known::names(),
                &format!(
                    "write its group: {name}.GROUP (kubectl api-resources lists groups; \
                         {name}. is in the core group)"
                ),
            ))),
        },
    }
}

/// kubectl also takes `deployments.v1.apps`.
fn without_version(group: &str) -> &str {
    let (first, rest) = group.split_once('.').unwrap_or((group, ""));
    let version = first.strip_prefix('v').is_some_and(|number| {
        let digits = number.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < number.len()
            && (digits.is_empty() || digits.starts_with("alpha") || digits.starts_with("beta"))
    });
    if version { rest } else { group }
}

/// "get secrets", "get pods/log", "get deployments.apps", "get secrets named db", "get /metrics".
pub(crate) fn show(request: &AccessRequest) -> String {
    if !request.path.is_empty() {
        return format!("{} {}", request.verb, request.path);
    }
    let mut text = if request.resource == "*" && request.api_group == "*" {
        format!(
            "{} everything",
            if request.verb == "*" { "do anything with" } else { &request.verb }
        )
    } else {
        let verb = if request.verb == "*" { "do anything with" } else { &request.verb };
        let mut text = format!("{verb} {}", request.resource);
        let common = known::find(&request.resource, None);
        if common.is_none_or(|known| known.group != request.api_group)
            && !request.api_group.is_empty()
        {
            text = format!("{text}.{}", request.api_group);
        }
        text
    };
    if !request.subresource.is_empty() {
        text = format!("{text}/{}", request.subresource);
    }
    if !request.name.is_empty() {
        text = format!("{text} named {}", request.name);
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// "verb|group|resource|subresource|name|path".
    fn read(words: &str) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        let at = |index: usize| words.get(index).copied();
        let asked = parse(at(0).unwrap(), at(1).unwrap(), at(2)).unwrap();
        let r = asked.request;
        [r.verb, r.api_group, r.resource, r.subresource, r.name, r.path].join("|")
    }

    #[test]
    fn requests_as_kubectl_writes_them() {
        for (words, expected) in [
            ("get secrets", "get||secrets|||"),
            ("GET secret", "get||secrets|||"),
            ("get secrets db-password", "get||secrets||db-password|"),
            ("get pods/log", "get||pods|log||"),
            ("get po/log web-0", "get||pods|log|web-0|"),
            ("update deployments/scale", "update|apps|deployments|scale||"),
            ("list deploy", "list|apps|deployments|||"),
            ("list deployments.apps", "list|apps|deployments|||"),
            ("list deployments.v1.apps", "list|apps|deployments|||"),
            ("list deployments.v1beta1.extensions", "list|extensions|deployments|||"),
            ("get widgets.example.com", "get|example.com|widgets|||"),
            ("get widgets.v1alpha1.example.com/status", "get|example.com|widgets|status||"),
            ("get volumes.vault.io", "get|vault.io|volumes|||"),
            ("get widgets.", "get||widgets|||"),
            ("get Widgets.example.com", "get|example.com|Widgets|||"),
            ("* *", "*|*|*|||"),
            ("get *", "get|*|*|||"),
            ("get *.apps", "get|apps|*|||"),
            ("update */scale", "update|*|*|scale||"),
            (
                "bind clusterroles cluster-admin",
                "bind|rbac.authorization.k8s.io|clusterroles||cluster-admin|",
            ),
            ("impersonate users", "impersonate||users|||"),
            (
                "impersonate userextras/scopes",
                "impersonate|authentication.k8s.io|userextras|scopes||",
            ),
            ("get /metrics", "get|||||/metrics"),
            ("POST /api/*", "post|||||/api/*"),
        ] {
            assert_eq!(read(words), expected, "{words}");
        }
    }

    #[test]
    fn what_makes_no_sense_says_what_would() {
        let long = "x".repeat(MAX_WORD + 1);
        for (verb, resource, name, said, hint) in [
            ("read", "secrets", None, "`read` is not a verb", "get, list and watch"),
            ("get,list", "secrets", None, "`get,list` are several verbs", "one at a time: get"),
            ("exec", "pods", None, "`exec` is not a verb", "create pods/exec"),
            ("Gets", "pods", None, "`Gets` is not a verb", "did you mean `get`"),
            ("list", "/metrics", None, "`list` is not a verb", "verbs are get, head"),
            ("get", "/metrics", Some("x"), "a path has no objects", "who-can get /metrics"),
            ("get", "secrets/db", None, "secrets have no `db`", "secrets db"),
            ("get", "pods/a/b", None, "is not a resource", "pods/log"),
            ("get", "pods/", None, "is not a resource", "pods/log"),
            ("get", ".apps", None, "it has no name", ""),
            (
                "get",
                "sekrets",
                None,
                "no resource that every cluster has",
                "did you mean `secrets`",
            ),
            ("get", "widgets", None, "no resource that every cluster has", "widgets.GROUP"),
            ("create", "pods", Some("web"), "create with a name", "leave `web` out"),
            ("", "pods", None, "it is empty", ""),
            ("get", " ", None, "it is empty", ""),
            ("get", &long, None, "it is too long", ""),
        ] {
            let failure = parse(verb, resource, name).unwrap_err();
            assert!(failure.summary().contains(said), "{verb} {resource}: {failure}");
            assert!(failure.hint_text().unwrap_or_default().contains(hint), "{failure}");
            assert_eq!(failure.exit_code().0, 2);
        }
    }

    #[test]
    fn an_odd_verb_is_asked_all_the_same() {
        let asked = parse("annoy", "pods", None).unwrap();
        assert_eq!(asked.request.verb, "annoy");
        assert!(asked.warnings.concat().contains("no verb that Kubernetes itself uses"));
        assert!(
            parse("list", "pods", Some("a")).unwrap().warnings.concat().contains("metadata.name=a")
        );
        assert!(parse("get", "pods", Some("a")).unwrap().warnings.is_empty());
    }

    #[test]
    fn where_objects_are_is_known_of_common_ones() {
        let reach = |resource| parse("get", resource, None).unwrap().reach;
        assert_eq!(reach("pods"), Some(Reach::Namespaced));
        assert_eq!(reach("nodes"), Some(Reach::Cluster));
        assert_eq!(reach("/metrics"), Some(Reach::Cluster));
        assert_eq!(reach("widgets.example.com"), None);
        assert_eq!(reach("*"), None);
    }

    #[test]
    fn requests_in_words() {
        for (verb, resource, name, expected) in [
            ("get", "secrets", None, "get secrets"),
            ("get", "secrets", Some("db"), "get secrets named db"),
            ("get", "pods/log", None, "get pods/log"),
            ("list", "deploy", None, "list deployments"),
            ("list", "deployments.extensions", None, "list deployments.extensions"),
            ("list", "widgets.example.com", None, "list widgets.example.com"),
            ("*", "*", None, "do anything with everything"),
            ("get", "*", None, "get everything"),
            ("*", "secrets", None, "do anything with secrets"),
            ("get", "/metrics", None, "get /metrics"),
        ] {
            assert_eq!(show(&parse(verb, resource, name).unwrap().request), expected);
        }
    }
}
