//! Who lives in the sample marketplace, and what is on offer there. The town of Larkhaven is invented, and so is
//! everybody in it.

/// Somebody whom a visitor may sign in as.
pub struct SamplePerson {
    pub id: &'static str,
    pub name: &'static str,
    pub role: &'static str,
    pub face: Face,
}

/// What [`super::draw`] makes a portrait of.
pub struct Face {
    pub skin: &'static str,
    pub hair: &'static str,
    pub cut: Cut,
    pub shirt: &'static str,
    pub backdrop: &'static str,
    pub has_glasses: bool,
}

pub enum Cut {
    Short,
    Long,
    Bun,
    Curls,
    Beard,
    Cap,
}

pub const PEOPLE: [SamplePerson; 8] = [
    SamplePerson {
        id: "mira",
        name: "Mira Okafor",
        role: "renter",
        face: Face {
            skin: "#8d5a3b",
            hair: "#2a1a14",
            cut: Cut::Curls,
            shirt: "#e2725b",
            backdrop: "#f6dcc8",
            has_glasses: false,
        },
    },
    SamplePerson {
        id: "tomas",
        name: "Tomas Lindqvist",
        role: "owner",
        face: Face {
            skin: "#f0c9a8",
            hair: "#b5834a",
            cut: Cut::Beard,
            shirt: "#3d6b7d",
            backdrop: "#cfe3e6",
            has_glasses: false,
        },
    },
    SamplePerson {
        id: "yuki",
        name: "Yuki Tanaka",
        role: "renter",
        face: Face {
            skin: "#f3d3b3",
            hair: "#1d1b26",
            cut: Cut::Long,
            shirt: "#7a6bb0",
            backdrop: "#e4def2",
            has_glasses: true,
        },
    },
    SamplePerson {
        id: "bea",
        name: "Beatriz Almeida",
        role: "agent",
        face: Face {
            skin: "#d9a57e",
            hair: "#4a2c1f",
            cut: Cut::Bun,
            shirt: "#2f7d5b",
            backdrop: "#d3ead9",
            has_glasses: false,
        },
    },
    SamplePerson {
        id: "omar",
        name: "Omar Haddad",
        role: "owner",
        face: Face {
            skin: "#c68f65",
            hair: "#211815",
            cut: Cut::Short,
            shirt: "#b08a2e",
            backdrop: "#f3e7bf",
            has_glasses: true,
        },
    },
    SamplePerson {
        id: "greta",
        name: "Greta Novak",
        role: "owner",
        face: Face {
            skin: "#f2cdb4",
            hair: "#c9c9cf",
            cut: Cut::Cap,
            shirt: "#24476b",
            backdrop: "#d2e0ef",
            has_glasses: false,
        },
    },
    SamplePerson {
        id: "sam",
        name: "Sam Whitlock",
        role: "renter",
        face: Face {
            skin: "#f1c8a5",
            hair: "#a8482b",
            cut: Cut::Short,
            shirt: "#f4f1ea",
            backdrop: "#e9d2c4",
            has_glasses: false,
        },
    },
    SamplePerson {
        id: "priya",
        name: "Priya Raman",
        role: "buyer",
        face: Face {
            skin: "#a56b43",
            hair: "#17131a",
            cut: Cut::Long,
            shirt: "#c2437a",
            backdrop: "#f4d5e2",
            has_glasses: false,
        },
    },
];

/// Something to rent or to buy.
pub struct SampleListing {
    pub id: &'static str,
    /// With its place, as the list shows it.
    pub title: &'static str,
    pub price: &'static str,
    pub owner: &'static str,
    /// An illustration, drawn for this marketplace.
    pub picture: &'static str,
}

macro_rules! listing {
    ($id:literal, $owner:literal, $price:literal, $title:literal) => {
        SampleListing {
            id: $id,
            title: $title,
            price: $price,
            owner: $owner,
            picture: include_str!(concat!("listings/", $id, ".svg")),
        }
    };
}

pub const LISTINGS: [SampleListing; 12] = [
    listing!(
        "canal-loft",
        "tomas",
        "€1,150 a month",
        "Canal loft with a ladder to bed, Ropewalk 7"
    ),
    listing!(
        "houseboat",
        "tomas",
        "€980 a month",
        "Houseboat “Second Wind”, Old Harbour"
    ),
    listing!(
        "attic-room",
        "yuki",
        "€430 a month",
        "Sunny attic room in a shared flat, Linden Street 22"
    ),
    listing!(
        "lighthouse",
        "greta",
        "€89 a night",
        "Lighthouse keeper's cottage, North Spit"
    ),
    listing!(
        "bakery-flat",
        "omar",
        "€720 a month",
        "Flat above the bakery, Market Square 3"
    ),
    listing!(
        "garden-house",
        "bea",
        "€312,000",
        "House with an unruly garden, Orchard Lane 14"
    ),
    listing!(
        "studio-tower",
        "omar",
        "€840 a month",
        "Studio on the eleventh floor, Signal Tower"
    ),
    listing!(
        "tiny-house",
        "greta",
        "€560 a month",
        "Tiny house on wheels, Meadow End"
    ),
    listing!(
        "brick-rowhouse",
        "bea",
        "€268,000",
        "Brick row house, narrow but tall, Mill Street 9"
    ),
    listing!(
        "courtyard",
        "omar",
        "€1,020 a month",
        "Two rooms around a courtyard, Fig Passage 5"
    ),
    listing!(
        "hill-cabin",
        "tomas",
        "€64 a night",
        "Cabin with a stove and no reception, Lark Hill"
    ),
    listing!(
        "old-cinema",
        "bea",
        "€1,480 a month",
        "Apartment in the old cinema, Station Road 40"
    ),
];

pub fn person(id: &str) -> Option<&'static SamplePerson> {
    PEOPLE.iter().find(|person| person.id == id)
}

pub fn listing(id: &str) -> Option<&'static SampleListing> {
    LISTINGS.iter().find(|listing| listing.id == id)
}
