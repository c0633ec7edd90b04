//! Each way in which a rule matches or does not, one by one.

use hanse_domain::access::request::Request;
use hanse_domain::access::rules::rule_allows;
use hanse_domain::kinds::role::PolicyRule;

/// "verbs; groups; resources; names; paths", each with commas; "-" is an empty text.
fn rule(text: &str) -> PolicyRule {
    let mut lists = text.split(';').map(|list| {
        let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| word.replace('-', "")).collect::<Vec<_>>()
    });
    let mut next = || lists.next().unwrap_or_default();
    PolicyRule {
        verbs: next(),
        api_groups: next(),
        resources: next(),
        resource_names: next(),
        non_resource_urls: next(),
    }
}

fn resource(verb: &str, group: &str, resource: &str, name: Option<&str>) -> Request {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Request::Resource {
        verb: verb.to_owned(),
        api_group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        name: name.map(str::to_owned),
    }
}

#[test]
fn a_rule_allows_what_it_names() {
    for (text, verb, group, what, name, expected) in [
        ("get; -; pods", "get", "", "pods", Some("x"), true),
        ("get; -; pods", "list", "", "pods", None, false),
        ("get; -; pods", "GET", "", "pods", None, false),
        ("list, get; apps, -; secrets, pods", "get", "", "pods", None, true),
        ("*; -; pods", "anything", "", "pods", None, true),
        ("get; *; pods", "get", "any.group", "pods", None, true),
        ("get; apps; pods", "get", "", "pods", None, false),
        ("; -; pods", "get", "", "pods", None, false),
        ("get; ; pods", "get", "", "pods", None, false),
        ("get; -; ", "get", "", "pods", None, false),
        ("get*; -; pods", "get", "", "pods", None, false),
        // Subresources.
        ("get; -; pods", "get", "", "pods/log", None, false),
        ("get; -; pods/log", "get", "", "pods/log", None, true),
        ("get; -; pods/log", "get", "", "pods", None, false),
        ("get; -; *", "get", "", "pods/log", None, true),
        ("get; -; */log", "get", "", "pods/log", None, true),
        ("get; -; */log", "get", "", "pods/status", None, false),
        ("get; -; */log", "get", "", "pods", None, false),
        ("get; -; pods/*", "get", "", "pods/log", None, false),
        ("get; -; */*", "get", "", "pods/log", None, false),
        ("get; -; */", "get", "", "pods", None, false),
        ("get; -; pods/log", "get", "", "pods/logs", None, false),
        ("get; -; pods/log", "get", "", "pod/slog", None, false),
        // Names.
        ("get; -; pods; a", "get", "", "pods", Some("a"), true),
        ("get; -; pods; a", "get", "", "pods", Some("b"), false),
        ("get; -; pods; a", "get", "", "pods", Some("A"), false),
        ("get; -; pods; *", "get", "", "pods", Some("a"), false),
        ("get; -; pods; a", "list", "", "pods", Some(""), false),
        ("get; -; pods; a", "get", "", "pods", Some(""), false),
        ("get; -; pods; a, -", "get", "", "pods", Some(""), true),
        ("get; -; pods; a", "get", "", "pods", None, true),
        // A path is no resource.
        ("get; ; ; ; *", "get", "", "pods", None, false),
    ] {
        let request = resource(verb, group, what, name);
        assert_eq!(rule_allows(&rule(text), &request), expected, "{text} allows {request}");
    }
}

#[test]
fn a_path_ends_in_stars_or_is_itself() {
    for (url, path, expected) in [
        ("/metrics", "/metrics", true),
        ("/metrics", "/metrics/", false),
        ("/metrics", "/Metrics", false),
        ("*", "/metrics", true),
        ("**", "/metrics", true),
        ("*", "", true),
        ("/api*", "/api", true),
        ("/api*", "/apis/apps", true),
        ("/api/*", "/api", false),
        ("/api/**", "/api/v1", true),
        ("/a*c", "/abc", false),
        ("/a*c", "/a*c", true),
        ("/a*c*", "/a*cd", true),
        ("/a*c*", "/abcd", false),
        ("", "", true),
        ("", "/", false),
    ] {
        let rule = PolicyRule {
            verbs: vec!["get".to_owned()],
            non_resource_urls: vec![url.to_owned()],
            ..PolicyRule::default()
        };
        let get = Request::Path { verb: "get".to_owned(), path: path.to_owned() };
        assert_eq!(rule_allows(&rule, &get), expected, "{url} allows {path}");
        let post = Request::Path { verb: "post".to_owned(), path: path.to_owned() };
        assert!(!rule_allows(&rule, &post), "{url}");
    }
    let path = Request::Path { verb: "get".to_owned(), path: "/metrics".to_owned() };
    assert!(!rule_allows(&rule("*; *; *"), &path), "a resource is no path");
}
