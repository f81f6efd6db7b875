//! The configuration in words: what is in force, and an annotated `doorbell.toml`.

use std::fmt::Write;

use super::{
    Loaded,
    catalogue::{Group, SETTINGS},
};

/// Every setting with its value and where it came from, then what is worth knowing.
pub fn in_force(loaded: &Loaded) -> String {
    let mut text = String::new();
    let widest = loaded.in_force.iter().map(|shown| shown.key.len()).max().unwrap_or(0);
    for shown in &loaded.in_force {
        let value = if shown.value.is_empty() {
            "(not set)"
        } else {
            &shown.value
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:widest$}  {value}  [{}]", shown.key, shown.from);
    }
    for note in &loaded.settings.notes {
        let _ = writeln!(text, "\nNote: {note}");
    }
    text
}

/// A `doorbell.toml` with every setting, its meaning and its default, all commented out.
pub fn default_file() -> String {
    let mut text = String::from(
        "# doorbell.toml: every setting of Doorbell, with its default.\n\
         #\n\
         # Each can be given as a flag (--group-max 800), as an environment variable (DOORBELL_GROUP_MAX=800) or here\n\
         # (group_max = 800). The first of these that is there counts.\n",
    );
    for group in Group::ALL {
        let _ = writeln!(text, "\n# --- {} ---", group.heading());
        for setting in SETTINGS.iter().filter(|setting| setting.group == group) {
            text.push('\n');
            for line in wrapped(setting.meaning, 110) {
                let _ = writeln!(text, "# {line}");
            }
            let _ = writeln!(text, "# Variable: {}", setting.variables.join(", else "));
            let (value, remark) = match setting.default {
                "" => (setting.example, "  # an example; by default not set"),
                default => (default, ""),
            };
            let _ = writeln!(text, "#{} = {value:?}{remark}", setting.key);
        }
    }
    text
}

fn wrapped(text: &str, most_chars: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|line| line.is_empty() || line.len() + word.len() < most_chars);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
