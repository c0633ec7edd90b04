//! `hanse`, the command line of Hanse; installed as `kubectl-hanse` it is `kubectl hanse`.
//!
//! ```text
//! args ─ app ─ commands/* ─┬─ files, plan ─ change ─ sign ─ commit     what is to be
//!                          ├─ secrets                                  sealed and opened here
//!                          ├─ access                                   who can do what
//!                          ├─ hub, fleet                               the API's client
//!                          └─ output, table, text                      the only way to a terminal
//! ```

mod access;
mod app;
mod args;
mod change;
mod commands;
mod config;
mod document_table;
mod drift_words;
mod editor;
mod explained;
mod failure;
mod files;
mod fleet;
mod follow;
mod hub;
mod joins;
mod kinds;
mod output;
mod plan_file;
mod plan_json;
mod plan_view;
mod probe;
mod random;
mod report;
mod secrets;
mod selector;
mod settle;
mod sign;
mod table;
mod text;
mod trouble;
mod value_diff;

fn main() -> std::process::ExitCode {
    app::run(std::env::args_os())
}
