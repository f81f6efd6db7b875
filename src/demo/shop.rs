//! The listings of the sample marketplace, as its pages show them.

use std::sync::Arc;

use serde::Serialize;

use super::{
    interior::{self, Scene},
    offers::{self, Offer},
    sample::{self, LISTINGS, SampleListing},
};
use crate::{contracts::shape::Person, model::User};

/// A listing in the grid.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Card<'a> {
    id: &'static str,
    title: &'static str,
    image: String,
    /// As it is shown.
    price: &'static str,
    /// In euros.
    amount: u32,
    /// `rent`: `amount` is a month's, `stay`: a night's, `sale`: all.
    terms: &'static str,
    city: &'static str,
    square_metres: u32,
    sleeps: u32,
    owner: Option<Person<'a>>,
}

/// A listing on its own page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(flatten)]
    card: Card<'a>,
    available: &'static str,
    /// A paragraph each.
    story: &'static [&'static str],
    features: &'static [&'static str],
    images: Vec<Picture>,
}

#[derive(Serialize)]
struct Picture {
    url: String,
    /// What it shows, for those who do not see it.
    description: String,
}

#[derive(Serialize)]
pub struct Listings<'a> {
    listings: Vec<Card<'a>>,
}

#[derive(Serialize)]
pub struct Listing<'a> {
    listing: Details<'a>,
}

/// `people` are those whom the directory knows.
pub fn listings(people: &[Arc<User>]) -> Listings<'_> {
    let cards = LISTINGS
        .iter()
        .filter_map(|listing| Some(card(listing, offers::of(listing.id)?, people)));
    Listings {
        listings: cards.collect(),
    }
}

/// `None`: nothing of that id is on offer.
pub fn listing<'a>(id: &str, people: &'a [Arc<User>]) -> Option<Listing<'a>> {
    let listing = sample::listing(id)?;
    let offer = offers::of(id)?;
    let house = Picture {
        url: picture(listing.id),
        description: listing.title.to_owned(),
    };
    let inside = offer.scenes.iter().map(|scene| {
        let (name, description) = scene.name();
        Picture {
            url: format!("/demo/listings/{}/{name}.svg", listing.id),
            description: description.to_owned(),
        }
    });
    Some(Listing {
        listing: Details {
            card: card(listing, offer, people),
            available: offer.available,
            story: offer.story,
            features: offer.features,
            images: std::iter::once(house).chain(inside).collect(),
        },
    })
}

/// The picture of a listing's inside that has this name.
pub fn interior(listing: &str, name: &str) -> Option<String> {
    let offer = offers::of(listing)?;
    let scene: &Scene = offer.scenes.iter().find(|scene| scene.name().0 == name)?;
    Some(interior::draw(*scene, &offer.palette))
}

fn card<'a>(listing: &'static SampleListing, offer: &'static Offer, people: &'a [Arc<User>]) -> Card<'a> {
    let owner = people.iter().find(|person| person.id.as_str() == listing.owner);
    Card {
        id: listing.id,
        title: listing.title,
        image: picture(listing.id),
        price: listing.price,
        amount: offer.amount,
        terms: offer.terms.as_str(),
        city: offer.city,
        square_metres: offer.square_metres,
        sleeps: offer.sleeps,
        owner: owner.map(|person| Person::new(person, None)),
    }
}

fn picture(listing: &str) -> String {
    format!("/demo/listings/{listing}.svg")
}
