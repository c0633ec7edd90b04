//! Effective access: questions in, answers out, and what agents report of it.

mod answer;
mod question;
mod report;

pub(in crate::api) use answer::{
    checkpoint, decision, difference, escalation, grant, group, inventory, version, view, violation,
};
pub(in crate::api) use question::{goals, group_members, moment, question, request, subject};
pub(in crate::api) use report::{Refusals, change, signed};
