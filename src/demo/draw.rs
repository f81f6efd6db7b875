//! Portraits of the sample people, drawn from a few words about each.

use super::sample::{Cut, Face};

/// An SVG image of 96 by 96.
pub fn portrait(face: &Face) -> String {
    let Face {
        skin,
        hair,
        shirt,
        backdrop,
        ..
    } = face;
    let (behind, before) = hair_of(&face.cut);
    let glasses = match face.has_glasses {
        true => {
            r##"<g fill="none" stroke="#333" stroke-width="2"><circle cx="39" cy="45" r="6.5"/><circle cx="57" cy="45" r="6.5"/><path d="M45.5 45h5"/></g>"##
        }
        false => "",
    };
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">
<rect width="96" height="96" fill="{backdrop}"/>
<g fill="{hair}">{behind}</g>
<path d="M14 96c2-20 16-27 34-27s32 7 34 27z" fill="{shirt}"/>
<path d="M41 58h14v12q-7 8-14 0z" fill="{skin}"/>
<ellipse cx="48" cy="46" rx="17" ry="20" fill="{skin}"/>
<g fill="{hair}">{before}</g>
<g fill="#2b2b2b"><circle cx="39" cy="45" r="2"/><circle cx="57" cy="45" r="2"/></g>
<path d="M42 55q6 5 12 0" fill="none" stroke="#7d3b34" stroke-width="2" stroke-linecap="round"/>
{glasses}</svg>
"##
    )
}

/// What of the hair lies behind the head, and what before it.
fn hair_of(cut: &Cut) -> (&'static str, &'static str) {
    const FRINGE: &str = r#"<path d="M29 46c-3-32 41-32 38 0-2-9-7-13-13-14-8 4-17 3-21 4-2 3-3 6-4 10z"/>"#;
    match cut {
        Cut::Short => ("", FRINGE),
        Cut::Long => (r#"<path d="M26 78c-6-60 50-60 44 0z"/>"#, FRINGE),
        Cut::Bun => (r#"<circle cx="48" cy="17" r="10"/>"#, FRINGE),
        Cut::Curls => (
            r#"<circle cx="30" cy="36" r="12"/><circle cx="66" cy="36" r="12"/><circle cx="27" cy="52" r="10"/><circle cx="69" cy="52" r="10"/><circle cx="40" cy="24" r="12"/><circle cx="56" cy="24" r="12"/>"#,
            r#"<path d="M31 40q4-12 17-12t17 12q-4-5-9-4-8-4-16 0-5-1-9 4z"/>"#,
        ),
        Cut::Beard => (
            "",
            r#"<path d="M29 46c-3-32 41-32 38 0-2-9-6-14-19-14s-17 5-19 14z"/><path d="M31 49c0 26 34 26 34 0-2 4-6 3-9 1q-8-2-16 0c-3 2-7 3-9-1zm11 6q6-3 12 0-6 5-12 0z" fill-rule="evenodd"/>"#,
        ),
        Cut::Cap => (
            r#"<path d="M29 60c-4-24 42-24 38 0z"/>"#,
            r##"<path d="M28 38c0-24 40-24 40 0z" fill="#24476b"/><path d="M26 37q22-7 44 0l2 5q-24-7-48 0z" fill="#16304a"/><circle cx="48" cy="28" r="3" fill="#e6c65c"/>"##,
        ),
    }
}
