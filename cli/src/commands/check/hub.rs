//! Who one is, and how the hub is.

use hanse_proto::admin::{
    GetHubStatusRequest, GetHubStatusResponse, WhoAmIRequest, WhoAmIResponse,
};
use jiff::Timestamp;

use super::findings::Findings;
use crate::commands::version::VERSION;
use crate::failure::Outcome;
use crate::hub::Hub;
use crate::text::{escape, time, until};

const DAY_S: i64 = 86_400;
/// Clocks that differ by more are worth a look; tokens and certificates still work.
const CLOCK_WARNING_S: i64 = 5;
/// Beyond this, certificates that were just made are not valid yet.
const CLOCK_FAILED_S: i64 = 300;

pub(super) async fn identity(hub: &Hub, findings: &mut Findings, now: Timestamp) -> Outcome<()> {
    findings.section("identity");
    let mut service = hub.identity_service();
    let me = hub.call(service.who_am_i(WhoAmIRequest {})).await?;
    report_identity(&me, findings, now);
    Ok(())
}

fn report_identity(me: &WhoAmIResponse, findings: &mut Findings, now: Timestamp) {
    findings.ok(format!("you are {} ({})", escape(&me.name), escape(&me.role)));
    expiry(findings, "your certificate", time(me.certificate_expires_at.as_ref()), now, 7);
}

fn expiry(findings: &mut Findings, what: &str, at: Option<Timestamp>, now: Timestamp, days: i64) {
    let Some(at) = at else {
        findings.warning(format!("when {what} expires is not known"), "");
        return;
    };
    let left = at.as_second().saturating_sub(now.as_second());
    let text = format!("{what} expires {} ({at})", until(now, at));
    if left <= 0 {
        findings
            .failed(format!("{what} has expired ({at})"), "get a new one from your administrator");
    } else if left < days * DAY_S {
        findings.warning(text, "get a new one before that");
    } else {
        findings.ok(text);
    }
}

pub(super) async fn status(hub: &Hub, findings: &mut Findings) -> Outcome<()> {
    findings.section("hub");
    let mut service = hub.identity_service();
    let before = Timestamp::now();
    let status = hub.call(service.get_hub_status(GetHubStatusRequest {})).await?;
    let after = Timestamp::now();
    report_status(&status, findings, before, after);
    Ok(())
}

fn report_status(
    status: &GetHubStatusResponse,
    findings: &mut Findings,
    before: Timestamp,
    after: Timestamp,
) {
    let hub_version = escape(&status.version);
    if hub_version == VERSION {
        findings.ok(format!("hub and command line are version {VERSION}"));
    } else {
        findings.warning(
            format!("the hub is version {hub_version}, this command line {VERSION}"),
            "use the same version of both",
        );
    }
    findings.ok(format!(
        "it serves trust domain {} from {}",
        escape(&status.trust_domain),
        escape(&status.database)
    ));
    expiry(findings, "the hub's CA", time(status.ca_expires_at.as_ref()), after, 30);
    // The hub read its clock somewhere between sending and receiving.
    let Some(theirs) = time(status.time.as_ref()) else {
        return;
    };
    let difference = if theirs < before {
        before.duration_since(theirs)
    } else if theirs > after {
        theirs.duration_since(after)
    } else {
        jiff::SignedDuration::ZERO
    };
    let text = format!("the clocks differ by {:.1} s", difference.as_secs_f64());
    let hint = "set both clocks by NTP; `date -u` shows them";
    if difference.as_secs() > CLOCK_FAILED_S {
        findings.failed(text, hint);
    } else if difference.as_secs() > CLOCK_WARNING_S {
        findings.warning(text, hint);
    } else {
        findings.ok(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> pbjson_types::Timestamp {
        pbjson_types::Timestamp { seconds, nanos: 0 }
    }

    fn shown(report: impl Fn(&mut Findings)) -> String {
        let mut findings = Findings::default();
        findings.section("x");
        report(&mut findings);
        anstream::adapter::strip_str(&findings.text()).to_string()
    }

    #[test]
    fn certificates_and_clocks_are_judged() {
        let now = Timestamp::UNIX_EPOCH;
        let me = |seconds| WhoAmIResponse {
            name: "ann".into(),
            role: "viewer".into(),
            certificate_expires_at: Some(at(seconds)),
            methods: vec![],
        };
        insta::assert_snapshot!(shown(|f| report_identity(&me(-1), f, now)), @"
        x
          √ you are ann (viewer)
          × your certificate has expired (1969-12-31T23:59:59Z)
            hint: get a new one from your administrator

        1 check failed.
        ");
        insta::assert_snapshot!(shown(|f| report_identity(&me(DAY_S), f, now)), @"
        x
          √ you are ann (viewer)
          ‼ your certificate expires in 24h (1970-01-02T00:00:00Z)
            hint: get a new one before that

        In order, with 1 warning.
        ");
        let status = |seconds| GetHubStatusResponse {
            version: "9.9.9".into(),
            trust_domain: "hanse".into(),
            database: "sqlite".into(),
            ca_expires_at: Some(at(365 * DAY_S)),
            time: Some(at(seconds)),
            ..GetHubStatusResponse::default()
        };
        insta::assert_snapshot!(shown(|f| report_status(&status(-400), f, now, now)), @"
        x
          ‼ the hub is version 9.9.9, this command line 0.1.0
            hint: use the same version of both
          √ it serves trust domain hanse from sqlite
          √ the hub's CA expires in 365d (1971-01-01T00:00:00Z)
          × the clocks differ by 400.0 s
            hint: set both clocks by NTP; `date -u` shows them

        1 check failed.
        ");
        assert!(
            shown(|f| report_status(&status(10), f, now, now))
                .contains("‼ the clocks differ by 10.0 s")
        );
        assert!(
            shown(|f| report_status(&status(0), f, now, now))
                .contains("√ the clocks differ by 0.0 s")
        );
    }
}
