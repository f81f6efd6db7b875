//! What the listings of the sample marketplace say of themselves, beyond what a chat needs to know.

use super::interior::{Palette, Scene};

/// How a price is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// Euros a month.
    Rent,
    /// Euros a night.
    Stay,
    /// Euros, once.
    Sale,
}

impl Terms {
    pub fn as_str(self) -> &'static str {
        match self {
            Terms::Rent => "rent",
            Terms::Stay => "stay",
            Terms::Sale => "sale",
        }
    }
}

pub struct Offer {
    pub listing: &'static str,
    pub city: &'static str,
    pub terms: Terms,
    /// In euros, as [`Terms`] says.
    pub amount: u32,
    pub square_metres: u32,
    /// How many people sleep there.
    pub sleeps: u32,
    pub available: &'static str,
    pub story: &'static [&'static str],
    pub features: &'static [&'static str],
    pub palette: Palette,
    pub scenes: &'static [Scene],
}

const WARM: Palette = Palette {
    wall: "#f3e2c7",
    floor: "#c99a6b",
    accent: "#a4553c",
    second: "#e0b04c",
    sky: "#bfe0ea",
    outside: "#4d7d8c",
};
const SEA: Palette = Palette {
    wall: "#dfeaea",
    floor: "#b58d63",
    accent: "#2f6577",
    second: "#e7b24a",
    sky: "#cfe8f1",
    outside: "#3d7f93",
};
const MEADOW: Palette = Palette {
    wall: "#f5efdd",
    floor: "#c8a577",
    accent: "#4f7f58",
    second: "#e29a5b",
    sky: "#d4ecf4",
    outside: "#86b25f",
};
const NIGHT: Palette = Palette {
    wall: "#d9d3ea",
    floor: "#8f7ba6",
    accent: "#50427d",
    second: "#d9799a",
    sky: "#46406f",
    outside: "#2c2a4d",
};
const BRICK: Palette = Palette {
    wall: "#ece6df",
    floor: "#a88367",
    accent: "#8f3b2e",
    second: "#5b8a86",
    sky: "#d9e4ee",
    outside: "#9a8b7f",
};

const ALL: &[Scene] = &[Scene::Living, Scene::Kitchen, Scene::Bedroom, Scene::Plan];
const ONE_ROOM: &[Scene] = &[Scene::Bedroom, Scene::Kitchen];

pub const OFFERS: [Offer; 12] = [
    Offer {
        listing: "canal-loft",
        city: "Larkhaven",
        terms: Terms::Rent,
        amount: 1150,
        square_metres: 64,
        sleeps: 2,
        available: "From the first of next month",
        story: &[
            "A rope maker's loft with beams that have been looked at for two hundred years and are still not bored. The bed is up a ladder with a handrail, under the gable, where the rain is loudest and the sleep is best.",
            "Thick shutters, thick walls, a window seat above the water. The heron on the opposite quay keeps office hours.",
        ],
        features: &[
            "Window seat above the canal",
            "Shutters that make night at noon",
            "Washing machine",
            "Room for two bicycles",
            "Pets by arrangement",
        ],
        palette: WARM,
        scenes: ALL,
    },
    Offer {
        listing: "houseboat",
        city: "Larkhaven",
        terms: Terms::Rent,
        amount: 980,
        square_metres: 48,
        sleeps: 2,
        available: "At once",
        story: &[
            "“Second Wind” carried gravel for forty years and has retired to carry people. She lies still, but for the ferry at eight and at six, when the spoons sing in the drawer.",
            "Shore power, shore water, and a stove that likes beech.",
        ],
        features: &[
            "Mooring included",
            "Wood stove",
            "Deck for six chairs",
            "Post is brought by dinghy",
        ],
        palette: SEA,
        scenes: &[Scene::Living, Scene::Kitchen, Scene::Bedroom],
    },
    Offer {
        listing: "attic-room",
        city: "Larkhaven",
        terms: Terms::Rent,
        amount: 430,
        square_metres: 17,
        sleeps: 1,
        available: "From the fifteenth",
        story: &[
            "Sun from ten to four, and two flatmates who play the double bass in turns and with consideration. The kitchen is shared, and so is what is in the pot on Sundays.",
        ],
        features: &[
            "Furnished",
            "Shared kitchen and bath",
            "Double bass until nine",
            "Five minutes to the station",
        ],
        palette: WARM,
        scenes: ONE_ROOM,
    },
    Offer {
        listing: "lighthouse",
        city: "North Spit",
        terms: Terms::Stay,
        amount: 89,
        square_metres: 52,
        sleeps: 4,
        available: "Most of the year; not in a north-easter",
        story: &[
            "The keeper's cottage, with the tower to yourselves. 112 steps; the lamp is automatic and does not need you, but will be glad of the company.",
            "Bring wellingtons. The causeway is dry four hours out of twelve, and the tide table hangs behind the door.",
        ],
        features: &[
            "Lamp room at sunset",
            "Wood stove",
            "Tide table",
            "No street, no neighbours",
        ],
        palette: SEA,
        scenes: &[Scene::Bedroom, Scene::Kitchen, Scene::Living],
    },
    Offer {
        listing: "bakery-flat",
        city: "Larkhaven",
        terms: Terms::Rent,
        amount: 720,
        square_metres: 55,
        sleeps: 2,
        available: "From the first of next month",
        story: &[
            "Two rooms above the ovens. The floor is warm from four in the morning, free of charge, and so is the smell.",
            "Market on Wednesdays and Saturdays under the windows: cheese by eight, gossip by nine.",
        ],
        features: &[
            "Warm floor",
            "Balcony over the square",
            "Bread at staff prices",
            "Lift, small but willing",
        ],
        palette: WARM,
        scenes: ALL,
    },
    Offer {
        listing: "garden-house",
        city: "Applegarth",
        terms: Terms::Sale,
        amount: 312_000,
        square_metres: 118,
        sleeps: 5,
        available: "In spring",
        story: &[
            "Four rooms, one bath and a garden with opinions. Roof and wiring were done in 2019, the papers are there. The upstairs windows are from 1974 and whistle in a west wind, which the price allows for.",
            "A bicycle was found in the hedge last year. There may be more.",
        ],
        features: &[
            "Garden of 900 m²",
            "Eleven apple trees",
            "Roof of 2019",
            "Shed with a workbench",
            "Cellar, dry",
        ],
        palette: MEADOW,
        scenes: ALL,
    },
    Offer {
        listing: "studio-tower",
        city: "Larkhaven",
        terms: Terms::Rent,
        amount: 840,
        square_metres: 34,
        sleeps: 1,
        available: "At once",
        story: &[
            "The eleventh floor of the Signal Tower: weather arrives here first. Two lifts, of which one at least works at any time, by decree.",
            "The laundry is on the roof, with the best view of all.",
        ],
        features: &[
            "Furnished",
            "Two lifts",
            "Roof terrace",
            "Fibre",
            "Concierge with a crossword",
        ],
        palette: NIGHT,
        scenes: &[Scene::Living, Scene::Bedroom, Scene::Kitchen],
    },
    Offer {
        listing: "tiny-house",
        city: "Meadow End",
        terms: Terms::Rent,
        amount: 560,
        square_metres: 22,
        sleeps: 2,
        available: "From the fifteenth",
        story: &[
            "Everything that a house has, only once. It stands on wheels and has never gone anywhere; the sheep at the end of the coupling is not for sale.",
        ],
        features: &[
            "Loft bed",
            "Rainwater shower",
            "Solar roof",
            "Vegetable bed",
            "Fern (belongs to the tenant)",
        ],
        palette: MEADOW,
        scenes: ONE_ROOM,
    },
    Offer {
        listing: "brick-rowhouse",
        city: "Larkhaven",
        terms: Terms::Sale,
        amount: 268_000,
        square_metres: 96,
        sleeps: 4,
        available: "By arrangement",
        story: &[
            "Four metres wide and four storeys tall: one exercises without noticing. The miller's initials are still over the door.",
            "Quiet street, loud robin. The primary school is at the corner.",
        ],
        features: &["Four storeys", "Back yard with a fig", "Oak stairs", "Cellar, dry"],
        palette: BRICK,
        scenes: ALL,
    },
    Offer {
        listing: "courtyard",
        city: "Larkhaven",
        terms: Terms::Rent,
        amount: 1020,
        square_metres: 71,
        sleeps: 3,
        available: "From the first of next month",
        story: &[
            "Two rooms around a courtyard, and a fig tree that everybody waters when nobody looks. In summer the house moves outside.",
            "The boiler has character; it answers to a knock.",
        ],
        features: &[
            "Courtyard with a fig",
            "Strings of lights",
            "Vaulted kitchen",
            "Cellar for bicycles",
        ],
        palette: BRICK,
        scenes: ALL,
    },
    Offer {
        listing: "hill-cabin",
        city: "Lark Hill",
        terms: Terms::Stay,
        amount: 64,
        square_metres: 30,
        sleeps: 3,
        available: "All year; bring socks",
        story: &[
            "A stove, a table, bunks for three, and no reception at all. People have been known to talk to each other up there.",
            "The key hangs behind the wood pile. The stove likes its door a little open for the first ten minutes.",
        ],
        features: &["Wood stove", "No reception", "Spring water", "Sledge"],
        palette: WARM,
        scenes: &[Scene::Bedroom, Scene::Living],
    },
    Offer {
        listing: "old-cinema",
        city: "Larkhaven",
        terms: Terms::Rent,
        amount: 1480,
        square_metres: 102,
        sleeps: 4,
        available: "In spring",
        story: &[
            "The foyer is a kitchen now and the balcony a bedroom. The screen is still there, behind a curtain that goes up at the push of a button.",
            "Neighbours are invited to the first film; that is in the lease.",
        ],
        features: &[
            "Screen and projector",
            "Velvet curtain",
            "Eleven red seats",
            "Two bathrooms",
        ],
        palette: NIGHT,
        scenes: ALL,
    },
];

/// What a listing says of itself.
pub fn of(listing: &str) -> Option<&'static Offer> {
    OFFERS.iter().find(|offer| offer.listing == listing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::sample::LISTINGS;

    #[test]
    fn every_listing_has_its_offer_at_its_price() {
        for listing in &LISTINGS {
            let offer = of(listing.id).unwrap_or_else(|| panic!("{} offers nothing", listing.id));
            let digits: String = listing.price.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, offer.amount.to_string(), "{}", listing.id);
            let terms = match offer.terms {
                Terms::Rent => listing.price.ends_with("a month"),
                Terms::Stay => listing.price.ends_with("a night"),
                Terms::Sale => !listing.price.contains(' '),
            };
            assert!(terms, "{}", listing.id);
        }
    }
}
