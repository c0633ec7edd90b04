//! CSV as RFC 4180 has it, for spreadsheets: a cell never becomes a formula, and nothing in it
//! steers a terminal.

use crate::text::escape;

/// One line. A cell that a spreadsheet would compute gets a `'` before it.
pub(crate) fn line<C: AsRef<str>>(cells: impl IntoIterator<Item = C>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| self::cell(cell.as_ref())).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let text = escape(text);
    // Spaces before it do not keep a spreadsheet from computing.
    let defused = if text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
    {
        format!("'{text}")
    } else {
        text.into_owned()
    };
    if defused.contains(['"', ',', ';']) || defused.starts_with(' ') || defused.ends_with(' ') {
        return format!("\"{}\"", defused.replace('"', "\"\""));
    }
    defused
}

/// A line's number and its fields.
pub(crate) type Record = (usize, Vec<String>);

/// Records of a text. Errors say which line is not CSV.
pub(crate) fn read(text: &str) -> Result<Vec<Record>, (usize, &'static str)> {
    let mut records = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let (mut line, mut begun) = (1, 1);
    let (mut quoted, mut closed) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => (quoted, closed) = (false, true),
            _ if quoted => field.push(c),
            '"' if field.is_empty() && !closed => quoted = true,
            '"' => return Err((line, "a quote in the middle of a field")),
            ',' => {
                record.push(std::mem::take(&mut field));
                closed = false;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                closed = false;
                records.push((begun, std::mem::take(&mut record)));
                begun = line;
            }
            _ if closed => return Err((line, "text after a closing quote")),
            _ => field.push(c),
        }
    }
    if quoted {
        return Err((begun, "a quote that does not end"));
    }
    if !field.is_empty() || !record.is_empty() || closed {
        record.push(field);
        records.push((begun, record));
    }
    records.retain(|(_, record)| record.iter().any(|field| !field.trim().is_empty()));
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_steers_a_terminal() {
        for (given, written) in [
            ("plain ü", "plain ü"),
            ("", ""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("  =1", "'  =1"),
            (" a", "\" a\""),
            ("\t=1", "\\u{9}=1"),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "two\\u{d}\\u{a}lines"),
            ("\u{1b}[2J\u{202e}", "\\u{1b}[2J\\u{202e}"),
            ("*", "*"),
            ("a-b", "a-b"),
        ] {
            assert_eq!(cell(given), written);
        }
        assert_eq!(line(["a", "b,c", ""]), "a,\"b,c\",\r\n");
    }

    #[test]
    fn what_was_written_is_read_again() {
        let text = line(["a", "b,c"]) + &line(["say \"hi\"", " x "]);
        let read = read(&text).ok().unwrap_or_default();
        let expected = [(1, ["a", "b,c"]), (2, ["say \"hi\"", " x "])];
        assert_eq!(read, expected.map(|(line, cells)| (line, cells.map(str::to_owned).to_vec())));
    }

    #[test]
    fn odd_csv() {
        let fields = |text: &str| {
            read(text).map(|r| {
                r.into_iter().map(|(l, f)| format!("{l}:{}", f.join("|"))).collect::<Vec<_>>()
            })
        };
        assert_eq!(fields(""), Ok(vec![]));
        assert_eq!(fields("\n\n,\n"), Ok(vec![]));
        assert_eq!(fields("a,b"), Ok(vec!["1:a|b".to_owned()]));
        assert_eq!(
            fields("a,\n\"x\ny\",z\nc"),
            Ok(vec!["1:a|".into(), "2:x\ny|z".into(), "4:c".into()])
        );
        assert_eq!(fields("\"\",b"), Ok(vec!["1:|b".to_owned()]));
        assert_eq!(fields("a\r\nb\r"), Ok(vec!["1:a".into(), "2:b\r".into()]));
        assert_eq!(fields("a\nx\"y"), Err((2, "a quote in the middle of a field")));
        assert_eq!(fields("\"x\"y"), Err((1, "text after a closing quote")));
        assert_eq!(fields("a\n\"x\ny"), Err((2, "a quote that does not end")));
    }
}
