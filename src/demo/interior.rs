//! What a listing looks like inside, drawn from a few colours: the pictures beside the one of the house.

/// The colours of a home.
pub struct Palette {
    pub wall: &'static str,
    pub floor: &'static str,
    /// Sofa, blanket, cupboards.
    pub accent: &'static str,
    /// Cushions, curtains, pots.
    pub second: &'static str,
    /// Behind the windows.
    pub sky: &'static str,
    /// Below that: water, meadows, roofs.
    pub outside: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    Living,
    Kitchen,
    Bedroom,
    Plan,
}

impl Scene {
    /// As its picture is called, and described to those who do not see it.
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Scene::Living => ("living", "The living room"),
            Scene::Kitchen => ("kitchen", "The kitchen"),
            Scene::Bedroom => ("bedroom", "Where one sleeps"),
            Scene::Plan => ("plan", "The floor plan"),
        }
    }
}

/// An SVG image of 320 by 200.
pub fn draw(scene: Scene, palette: &Palette) -> String {
    let inside = match scene {
        Scene::Living => living(palette),
        Scene::Kitchen => kitchen(palette),
        Scene::Bedroom => bedroom(palette),
        Scene::Plan => plan(palette),
    };
    format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 200" width="320" height="200">{inside}</svg>"#)
}

fn room(palette: &Palette) -> String {
    let Palette { wall, floor, .. } = palette;
    format!(
        r##"<rect width="320" height="200" fill="{wall}"/><rect y="146" width="320" height="54" fill="{floor}"/><rect y="142" width="320" height="4" fill="#fff" opacity=".55"/><path d="M0 160h320M0 176h320" stroke="#000" stroke-opacity=".07"/>"##
    )
}

/// Its upper left corner is at `x`, `y`; all in units of the picture.
fn window(palette: &Palette, x: u32, y: u32, width: u32, height: u32) -> String {
    let Palette { sky, outside, .. } = palette;
    let (right, bottom) = (x + width, y + height);
    let (middle, horizon) = (x + width / 2, y + height * 2 / 3);
    format!(
        r##"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{sky}"/><circle cx="{sun}" cy="{sun_y}" r="8" fill="#fff3c4"/><path d="M{x} {horizon}q{a} -12 {b} -2t{b} -4V{bottom}H{x}z" fill="{outside}"/><path d="M{middle} {y}V{bottom}M{x} {bar}H{right}" stroke="#fff" stroke-width="3"/><rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="#fff" stroke-width="5"/><rect x="{sill}" y="{bottom}" width="{sill_width}" height="5" rx="1" fill="#fff"/>"##,
        a = width / 4,
        b = width / 2,
        sun = right - width / 4,
        sun_y = y + height / 4,
        bar = y + height / 2,
        sill = x - 5,
        sill_width = width + 10,
    )
}

fn living(palette: &Palette) -> String {
    let Palette { accent, second, .. } = palette;
    let (room, window) = (room(palette), window(palette, 34, 30, 92, 74));
    format!(
        r##"{room}{window}
<ellipse cx="196" cy="180" rx="104" ry="12" fill="{second}" opacity=".45"/>
<g fill="none" stroke="#6b5544" stroke-width="2"><rect x="160" y="34" width="40" height="32" fill="#fffaf0"/><rect x="210" y="44" width="26" height="34" fill="#fffaf0"/></g>
<path d="M166 60l10-12 8 8 6-5 6 9z" fill="{accent}" opacity=".7"/><circle cx="223" cy="60" r="8" fill="{second}"/>
<rect x="132" y="112" width="132" height="34" rx="10" fill="{accent}"/><rect x="124" y="122" width="26" height="42" rx="9" fill="{accent}"/><rect x="246" y="122" width="26" height="42" rx="9" fill="{accent}"/>
<rect x="142" y="138" width="112" height="24" rx="5" fill="{accent}"/><path d="M142 138h112v8H142z" fill="#fff" opacity=".16"/><path d="M198 138v24" stroke="#000" stroke-opacity=".14"/>
<rect x="154" y="118" width="26" height="24" rx="4" fill="{second}" transform="rotate(-9 167 130)"/><rect x="222" y="120" width="24" height="22" rx="4" fill="#fff7e8" transform="rotate(8 234 131)"/>
<path d="M132 164v8M264 164v8" stroke="#4b3628" stroke-width="4"/>
<path d="M294 172V76" stroke="#4b3628" stroke-width="3"/><path d="M278 78l6-24h20l6 24z" fill="#ffe7ad"/><ellipse cx="294" cy="173" rx="12" ry="3" fill="#4b3628"/>
<path d="M56 172l4-24h26l4 24z" fill="#c8744f"/><path d="M73 150q-26-10-24-44 20 10 24 40 0-40 14-54 12 24-10 54 10-26 30-28-4 24-34 32z" fill="#4f8a5b"/>"##
    )
}

fn kitchen(palette: &Palette) -> String {
    let Palette { accent, second, .. } = palette;
    let (room, window) = (room(palette), window(palette, 196, 26, 78, 62));
    format!(
        r##"{room}<path d="M0 92h320v22H0z" fill="#fff" opacity=".6"/><path d="M0 103h320M20 92v22M60 92v22M100 92v22M140 92v22M180 92v22M220 92v22M260 92v22M300 92v22" stroke="#000" stroke-opacity=".08"/>{window}
<rect x="22" y="50" width="140" height="5" rx="1" fill="#7a5a43"/><rect x="32" y="30" width="16" height="20" rx="3" fill="{second}"/><rect x="54" y="36" width="18" height="14" rx="3" fill="#fff7e8"/><path d="M84 50v-12q8-8 16 0v12z" fill="#4f8a5b"/><circle cx="122" cy="42" r="8" fill="{accent}"/><circle cx="142" cy="44" r="6" fill="{second}"/>
<rect x="0" y="112" width="320" height="7" fill="#7a5a43"/><rect x="0" y="119" width="320" height="58" fill="{accent}"/>
<g fill="none" stroke="#fff" stroke-opacity=".35" stroke-width="2"><rect x="8" y="126" width="56" height="44" rx="2"/><rect x="72" y="126" width="56" height="44" rx="2"/><rect x="208" y="126" width="48" height="44" rx="2"/><rect x="264" y="126" width="48" height="44" rx="2"/></g>
<g fill="#fff7e8"><circle cx="57" cy="148" r="2.5"/><circle cx="79" cy="148" r="2.5"/><circle cx="249" cy="148" r="2.5"/><circle cx="271" cy="148" r="2.5"/></g>
<rect x="136" y="119" width="64" height="58" fill="#3b3a3c"/><rect x="143" y="134" width="50" height="34" rx="3" fill="#191919"/><path d="M147 164q21-18 42 0z" fill="#e88d3f" opacity=".8"/><g fill="#d7d7d7"><circle cx="148" cy="126" r="2.5"/><circle cx="158" cy="126" r="2.5"/><circle cx="168" cy="126" r="2.5"/></g>
<path d="M150 112v-12q0-4 4-4h22q4 0 4 4v12z" fill="{second}"/><path d="M180 101q9-2 8 7" fill="none" stroke="{second}" stroke-width="3"/><path d="M160 92q-3-6 2-10t0-10" fill="none" stroke="#fff" stroke-width="2" opacity=".8"/>
<path d="M24 112q0-12 22-12t22 12z" fill="#fff7e8"/><circle cx="38" cy="100" r="6" fill="#d9703f"/><circle cx="50" cy="97" r="6" fill="#e0b13c"/><circle cx="58" cy="102" r="5" fill="#8fae4b"/>
<rect y="177" width="320" height="3" fill="#000" opacity=".18"/>"##
    )
}

fn bedroom(palette: &Palette) -> String {
    let Palette { accent, second, .. } = palette;
    let (room, window) = (room(palette), window(palette, 42, 24, 76, 82));
    format!(
        r##"{room}{window}
<path d="M24 18h112v5H24z" fill="#6b5544"/><path d="M28 22q2 46-6 92h20q6-44 2-92zM132 22q-2 46 6 92h-20q-6-44-2-92z" fill="{second}" opacity=".85"/>
<rect x="158" y="72" width="142" height="60" rx="8" fill="#7a5a43"/><rect x="166" y="80" width="126" height="44" rx="5" fill="#8d6b51"/>
<rect x="156" y="126" width="146" height="46" rx="7" fill="#fff7e8"/><rect x="168" y="108" width="54" height="26" rx="9" fill="#fff"/><rect x="234" y="108" width="54" height="26" rx="9" fill="#fff"/><path d="M170 128q26 6 50 0M236 128q26 6 50 0" stroke="#000" stroke-opacity=".08" fill="none"/>
<path d="M154 140q74-10 150 0v28q0 6-6 6H160q-6 0-6-6z" fill="{accent}"/><path d="M154 140q74-10 150 0v9q-76-10-150 0z" fill="{second}"/><path d="M190 152v22M228 150v24M266 152v22" stroke="#fff" stroke-opacity=".25"/>
<path d="M162 174v8M296 174v8" stroke="#4b3628" stroke-width="4"/>
<rect x="112" y="134" width="34" height="40" rx="3" fill="#7a5a43"/><path d="M112 152h34" stroke="#000" stroke-opacity=".25"/><path d="M129 134v-14" stroke="#4b3628" stroke-width="3"/><path d="M117 122l5-18h14l5 18z" fill="#ffe7ad"/><circle cx="129" cy="143" r="2" fill="#ffe7ad"/>
<ellipse cx="86" cy="184" rx="58" ry="9" fill="{accent}" opacity=".35"/>
<rect x="212" y="28" width="36" height="30" fill="#fffaf0" stroke="#6b5544" stroke-width="2"/><path d="M216 54q8-16 14-6t14-8v14z" fill="{accent}" opacity=".7"/>"##
    )
}

fn plan(palette: &Palette) -> String {
    let Palette { accent, second, .. } = palette;
    format!(
        r##"<rect width="320" height="200" fill="#fbf8f1"/><path d="M0 20h320M0 40h320M0 60h320M0 80h320M0 100h320M0 120h320M0 140h320M0 160h320M0 180h320M20 0v200M40 0v200M60 0v200M80 0v200M100 0v200M120 0v200M140 0v200M160 0v200M180 0v200M200 0v200M220 0v200M240 0v200M260 0v200M280 0v200M300 0v200" stroke="#dcd5c4" stroke-width=".6"/>
<rect x="50" y="32" width="220" height="136" fill="#fff"/><rect x="50" y="32" width="128" height="136" fill="{accent}" opacity=".16"/><rect x="178" y="32" width="92" height="76" fill="{second}" opacity=".22"/>
<path d="M50 32h220v136h-56M190 168H50V32M178 32v44M178 100v68M178 108h34M236 108h34" fill="none" stroke="#3a322b" stroke-width="5" stroke-linecap="square"/>
<path d="M190 168a24 24 0 0 1 24-24v24M178 76a24 24 0 0 1 24 24h-24M212 108a24 24 0 0 0 24 24v-24" fill="none" stroke="#3a322b" stroke-opacity=".55"/>
<path d="M78 32h60M50 78v50M206 32h36" stroke="#fff" stroke-width="3"/><path d="M78 32h60M50 78v50M206 32h36" stroke="#7fb2c9" stroke-width="1.6"/>
<g fill="none" stroke="#3a322b" stroke-opacity=".6"><rect x="66" y="118" width="64" height="32" rx="5"/><path d="M66 128h64"/><circle cx="110" cy="78" r="13"/><circle cx="92" cy="78" r="4"/><circle cx="128" cy="78" r="4"/><rect x="200" y="42" width="54" height="40" rx="3"/><path d="M200 54h54"/><rect x="244" y="120" width="18" height="36" rx="6"/><circle cx="226" cy="156" r="6"/></g>
<g font-family="system-ui, sans-serif" font-size="9" fill="#3a322b" text-anchor="middle"><text x="96" y="54">Living</text><text x="227" y="98">Bed</text><text x="212" y="126">Bath</text></g>"##
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_is_well_formed_enough_for_a_browser() {
        let palette = Palette {
            wall: "#fff",
            floor: "#eee",
            accent: "#a00",
            second: "#0a0",
            sky: "#00a",
            outside: "#0aa",
        };
        for scene in [Scene::Living, Scene::Kitchen, Scene::Bedroom, Scene::Plan] {
            let drawn = draw(scene, &palette);
            assert_eq!(drawn.matches("<g").count(), drawn.matches("</g>").count(), "{scene:?}");
            assert!(!drawn.contains('{'), "{scene:?} has a colour that was not put in");
        }
    }
}
