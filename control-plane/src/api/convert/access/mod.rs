//! Effective access: questions in, answers out, and what agents report of it.

mod answer;
mod question;
mod report;

pub(in crate::api) use answer::{
    checkpoint, decision, difference, grant, group, inventory, version, view,
};
pub(in crate::api) use question::{group_members, moment, question, request, subject};
pub(in crate::api) use report::{Refusals, change, signed};
