//! What the sample people have said to each other lately.

/// How a conversation came about: each contract's front end has its own way.
pub enum Way {
    /// "Contact owner" on a listing's page (`listing-chat`); the owner is the listing's.
    Listing {
        renter: &'static str,
        listing: &'static str,
    },
    /// An agent asked about a property (`property-chat`).
    Property {
        asker: &'static str,
        agent: &'static str,
        listing: &'static str,
    },
    /// Somebody asked directly (`conversations`).
    Direct { asker: &'static str, asked: &'static str },
    /// Simply written to (`tenant-chat`, `media-chat`): the first message makes the conversation.
    Message { to: &'static str },
    /// Several people (`conversations`).
    Group {
        maker: &'static str,
        title: &'static str,
        others: &'static [&'static str],
    },
}

/// A message: who, how many minutes after the one before, and what.
pub type Line = (&'static str, i64, &'static str);

pub struct Talk {
    /// Begins the `clientMessageId`s of its messages, so that none is ever stored twice.
    pub name: &'static str,
    pub way: Way,
    /// Minutes since its last message when the marketplace opens.
    pub ended_minutes_ago: i64,
    pub lines: &'static [Line],
    /// Who has not read so many of the last messages. Everybody else has read all.
    pub unread: &'static [(&'static str, usize)],
}

const DAY: i64 = 24 * 60;

/// From the oldest to the newest, as their last messages were written.
pub const TALKS: [Talk; 13] = [
    Talk {
        name: "garden",
        way: Way::Property {
            asker: "priya",
            agent: "bea",
            listing: "garden-house",
        },
        ended_minutes_ago: 4 * DAY + 37,
        lines: &[
            (
                "priya",
                0,
                "Good morning! The house on Orchard Lane: does “unruly garden” mean wildflowers, or does it mean I need a machete?",
            ),
            (
                "bea",
                22,
                "Good morning Priya. Honest answer: a pair of good shears and one free weekend. We did find a bicycle in there last spring.",
            ),
            ("priya", 3, "Was it a nice bicycle?"),
            ("bea", 6, "It is now. I ride it to work."),
            (
                "priya",
                2,
                "Sold on the garden, then. What should I know about the house that the photos are too polite to show?",
            ),
            (
                "bea",
                31,
                "Fair question. The upstairs windows are from 1974 and whistle in a west wind. The seller knows, and the price already allows for it. Roof and wiring were done in 2019, papers included.",
            ),
            (
                "priya",
                8,
                "Thank you for saying so before I asked. I will come and listen to the windows.",
            ),
        ],
        unread: &[],
    },
    Talk {
        name: "cabin",
        way: Way::Listing {
            renter: "sam",
            listing: "hill-cabin",
        },
        ended_minutes_ago: 3 * DAY + 190,
        lines: &[
            ("sam", 0, "Hi Tomas, is it true that the cabin has no reception at all?"),
            (
                "tomas",
                14,
                "None. People have been known to talk to each other up there.",
            ),
            (
                "sam",
                2,
                "I get up at three to bake bread, six days a week. You have just described paradise. Two nights from Friday?",
            ),
            (
                "tomas",
                9,
                "Yours. The key hangs behind the wood pile, the stove likes its door a little open for the first ten minutes.",
            ),
            ("sam", 1, "I know about stoves 🙂"),
            (
                "tomas",
                2,
                "I suppose you do. Would you leave a loaf for the next guests? Only if you happen to bake, of course.",
            ),
            ("sam", 1, "Only if. See you on the other side of the silence."),
        ],
        unread: &[],
    },
    Talk {
        name: "typo",
        way: Way::Direct {
            asker: "omar",
            asked: "bea",
        },
        ended_minutes_ago: 2 * DAY + 415,
        lines: &[
            (
                "omar",
                0,
                "Bea, could you look over my text for Fig Passage before it goes online? “Two bright rooms, quiet courtyard, no pets, no smoking, no neighbours.”",
            ),
            ("bea", 11, "Lovely. One thing: no neighbours?"),
            (
                "omar",
                1,
                "No *noisy* neighbours. Though Mrs Petrov on the first floor would have been curious to read that she has left us.",
            ),
            (
                "bea",
                3,
                "She brings you figs every August, so I would put her on the list of advantages.",
            ),
            (
                "omar",
                2,
                "“Two bright rooms, quiet courtyard, Mrs Petrov.” Done. And pets are welcome, I have decided. The courtyard needs a cat.",
            ),
        ],
        unread: &[],
    },
    Talk {
        name: "lighthouse",
        way: Way::Listing {
            renter: "priya",
            listing: "lighthouse",
        },
        ended_minutes_ago: DAY + 640,
        lines: &[
            (
                "priya",
                0,
                "Dear Greta, my parents turn 70 this year, both in the same week. Would the cottage do for a surprise weekend? Dad has a bad knee.",
            ),
            (
                "greta",
                55,
                "What a good daughter. The cottage is all on one floor. The tower has 112 steps; your father may stay below and feel superior, as my husband always does.",
            ),
            ("priya", 4, "He will love that more than the view."),
            (
                "greta",
                12,
                "I light the lamp by hand on Saturdays. If your mother would like to do it, she may.",
            ),
            ("priya", 3, "She will cry. In a good way. First weekend of March?"),
            (
                "greta",
                20,
                "Noted in ink. Bring warm jackets, the wind does not know about birthdays.",
            ),
        ],
        unread: &[],
    },
    Talk {
        name: "attic",
        way: Way::Listing {
            renter: "mira",
            listing: "attic-room",
        },
        ended_minutes_ago: DAY + 205,
        lines: &[
            (
                "mira",
                0,
                "Hello Yuki! I have seen the attic room. I start at the hospital in two weeks and would love a flat with people in it. What is a normal evening like at yours?",
            ),
            (
                "yuki",
                17,
                "Hi Mira! Jonas cooks too much, we eat all of it, and I practise the cello from six to seven. After seven it is in its case, promise.",
            ),
            (
                "mira",
                3,
                "I have a cat called Biscuit. She is very quiet, except at breakfast time, which she has moved to five.",
            ),
            (
                "yuki",
                2,
                "So you bring an alarm clock with fur. Jonas is delighted. May I ask, would night shifts and a cello at six be a problem?",
            ),
            (
                "mira",
                6,
                "I sleep with ear plugs, and anything is better than the leaf blower where I live now. Honestly, I would like to hear it.",
            ),
            (
                "yuki",
                4,
                "Then come for dinner on Thursday, 19:00, Linden Street 22, third floor. Bring Biscuit's references.",
            ),
            ("mira", 1, "Agreed! She is drafting them as we speak."),
        ],
        unread: &[],
    },
    Talk {
        name: "cinema",
        way: Way::Property {
            asker: "yuki",
            agent: "bea",
            listing: "old-cinema",
        },
        ended_minutes_ago: 22 * 60 + 12,
        lines: &[
            (
                "yuki",
                0,
                "Hello, about the old cinema: our quartet is looking for a place to rehearse and, well, live. Is that a thing one may ask?",
            ),
            (
                "bea",
                26,
                "One may always ask. The hall below is a carpet shop now, which is the best soundproofing in town. The owners want quiet after 21:00 and otherwise call themselves music lovers.",
            ),
            (
                "yuki",
                5,
                "Carpets below us! It is as if somebody had planned it. Could all four of us come and clap our hands in the rooms?",
            ),
            (
                "bea",
                9,
                "Wednesday at five? I will bring the floor plan, and a nervous carpet dealer who would like to hear what fortissimo means.",
            ),
            ("yuki", 2, "Wednesday at five. We will show him pianissimo first."),
        ],
        unread: &[("bea", 1)],
    },
    Talk {
        name: "rowhouse",
        way: Way::Message { to: "priya" },
        ended_minutes_ago: 17 * 60 + 33,
        lines: &[
            (
                "bea",
                0,
                "Priya, a brick house in Mill Street comes on the market on Monday. Three metres forty wide, four floors tall. I thought of you before the advertisement did.",
            ),
            (
                "priya",
                40,
                "Three metres forty! Do I have to choose between a sofa and a staircase?",
            ),
            (
                "bea",
                4,
                "The last owner had both, and a piano. I did not ask how. Shall we look at it on Sunday, before everyone else does?",
            ),
            (
                "priya",
                7,
                "Sunday suits me. Could we also talk about the garden house again? I went to listen to the windows. They whistle in tune.",
            ),
            (
                "bea",
                3,
                "I will put that in the description. Sunday at ten, and I bring both sets of keys.",
            ),
        ],
        unread: &[("priya", 1)],
    },
    Talk {
        name: "tower",
        way: Way::Listing {
            renter: "greta",
            listing: "studio-tower",
        },
        ended_minutes_ago: 9 * 60 + 21,
        lines: &[
            (
                "greta",
                0,
                "Omar, the studio on the eleventh floor, for January and February. In winter the Spit belongs to the wind, and my husband has asked for central heating as an anniversary present.",
            ),
            (
                "omar",
                18,
                "Greta! You live in a lighthouse and would like to move into a tower?",
            ),
            ("greta", 3, "I would like to live in one that has a lift."),
            (
                "omar",
                2,
                "It has one. You should know that it rests on Tuesday mornings for its service. Then it is 198 stairs.",
            ),
            (
                "greta",
                4,
                "So on Tuesdays we stay in and feel superior, he has practice. Can one see the North Spit from the window?",
            ),
            (
                "omar",
                5,
                "On clear evenings. You could see who is looking after your lamp, and whether they do it properly.",
            ),
            (
                "greta",
                2,
                "Then we take it. And please do not tell him that this was the reason.",
            ),
        ],
        unread: &[("omar", 1)],
    },
    Talk {
        name: "houseboat",
        way: Way::Listing {
            renter: "yuki",
            listing: "houseboat",
        },
        ended_minutes_ago: 5 * 60 + 48,
        lines: &[
            (
                "yuki",
                0,
                "Hi, asking for my brother Kenji, who does not trust the internet but trusts me: does the houseboat rock?",
            ),
            (
                "tomas",
                13,
                "When the ferry passes, twice a day, about as much as a hammock. Your brother's tea will stay in its cup.",
            ),
            ("yuki", 2, "He wants to know whether it has ever sunk."),
            (
                "tomas",
                4,
                "Tell him that it is called “Second Wind”, that the survey is from this spring, and that “Second” refers to my second try at painting it.",
            ),
            (
                "yuki",
                3,
                "He laughed, which he does once a year. Can he see it on Saturday?",
            ),
            (
                "tomas",
                1,
                "Saturday at eleven, between two ferries. He may inspect everything that floats.",
            ),
        ],
        unread: &[("yuki", 1)],
    },
    Talk {
        name: "tiny",
        way: Way::Direct {
            asker: "greta",
            asked: "tomas",
        },
        ended_minutes_ago: 3 * 60 + 5,
        lines: &[
            (
                "greta",
                0,
                "Tomas, you know about roofs. The tiny house drips on exactly one spot, and a tenant who complains would at least have a reason. Nobody does. He has put a fern there.",
            ),
            (
                "tomas",
                19,
                "That is the kindest tenant in Larkhaven. It will be the flashing at the chimney. Half an hour and a tube of sealant.",
            ),
            ("greta", 2, "I have the tube. I also have plum cake."),
            ("tomas", 1, "I will be there at four. For the flashing, naturally."),
            (
                "greta",
                1,
                "Naturally. Please leave one drop for the fern, it has got used to it.",
            ),
        ],
        unread: &[("tomas", 1)],
    },
    Talk {
        name: "bakery",
        way: Way::Message { to: "omar" },
        ended_minutes_ago: 74,
        lines: &[
            (
                "sam",
                0,
                "Morning Omar. Small thing, cold thing: the boiler went out in the night, and it shows me E4 and nothing else.",
            ),
            ("omar", 6, "Oh no, and on the coldest day. Are you warm enough for now?"),
            (
                "sam",
                1,
                "I work next to an oven at 250 degrees, I am the warmest man in town. The shower is less charming.",
            ),
            (
                "omar",
                2,
                "E4 is usually the pressure. Below it there is a black tap: a quarter turn, until the needle stands at 1.5, then press reset once. If you would rather not, say so, and I come over.",
            ),
            (
                "sam",
                9,
                "Quarter turn, 1.5, reset. It coughed, thought about its life, and now it is heating!",
            ),
            (
                "omar",
                1,
                "Wonderful. I still send Mr Brandt tomorrow at nine. Boilers that cough once cough twice, and that bill is mine, of course.",
            ),
            (
                "sam",
                3,
                "Thank you. He gets cinnamon rolls. There are two for you on the window sill, before the seagulls read this.",
            ),
        ],
        unread: &[("omar", 1)],
    },
    Talk {
        name: "neighbours",
        way: Way::Group {
            maker: "bea",
            title: "Market Square summer party",
            others: &["omar", "sam", "yuki", "mira", "tomas"],
        },
        ended_minutes_ago: 26,
        lines: &[
            (
                "bea",
                0,
                "Dear all, the square is ours on the 20th, the permit is stamped. Who brings what?",
            ),
            ("sam", 4, "Bread. An unreasonable amount of bread."),
            (
                "yuki",
                2,
                "Music! Our quartet knows eleven pieces and one of them is even cheerful.",
            ),
            (
                "omar",
                5,
                "I bring the long table from the courtyard, and Mrs Petrov, who brings figs.",
            ),
            ("tomas", 3, "Lanterns and a ladder."),
            (
                "mira",
                6,
                "I am new here, so I bring curiosity, a first-aid kit and lemonade.",
            ),
            (
                "sam",
                1,
                "A nurse with lemonade is exactly what was missing last year, ask Tomas.",
            ),
            ("tomas", 2, "It was a small ladder."),
            (
                "bea",
                1,
                "It was a small fracture, too. Lovely. I make a list and pin it to the bakery door.",
            ),
        ],
        unread: &[("mira", 2), ("omar", 3), ("yuki", 1), ("tomas", 1)],
    },
    Talk {
        name: "loft",
        way: Way::Listing {
            renter: "mira",
            listing: "canal-loft",
        },
        ended_minutes_ago: 3,
        lines: &[
            (
                "mira",
                0,
                "Hello! I am looking at the canal loft. The ladder to the bed: is it romantic, or is it a ladder?",
            ),
            (
                "tomas",
                8,
                "Both, depending on how late it is. It has a handrail, and it has never lost anybody.",
            ),
            (
                "mira",
                2,
                "And is the flat quiet? I work nights at the hospital, so I am looking for somewhere dark and silent at noon.",
            ),
            (
                "tomas",
                5,
                "Thick shutters, thick walls. The loudest neighbour is a heron, and he keeps office hours.",
            ),
            ("mira", 1, "May I bring a cat? She is small and mostly decorative."),
            (
                "tomas",
                3,
                "For a decorative cat there is a window seat above the water. One condition: she does not discuss the heron's fish with him.",
            ),
            (
                "mira",
                2,
                "She signs everything with her paw. Could I come and see it tomorrow at half past five, before my shift?",
            ),
            (
                "tomas",
                4,
                "Half past five it is. Ropewalk 7, the green door, the bell that says “Lindqvist, knock instead”.",
            ),
        ],
        unread: &[("mira", 1)],
    },
];

/// A photo that one of the messages carries. They were drawn for this marketplace, too.
pub struct Photo {
    pub talk: &'static str,
    /// Which of the talk's lines; never the first, which may be what makes the conversation.
    pub line: usize,
    pub name: &'static str,
    pub bytes: &'static [u8],
}

macro_rules! photo {
    ($talk:literal, $line:literal, $name:literal) => {
        Photo {
            talk: $talk,
            line: $line,
            name: $name,
            bytes: include_bytes!(concat!("photos/", $name)),
        }
    };
}

pub const PHOTOS: [Photo; 4] = [
    photo!("garden", 3, "bicycle.jpg"),
    photo!("bakery", 2, "boiler.jpg"),
    photo!("bakery", 6, "rolls.jpg"),
    photo!("loft", 5, "window-seat.jpg"),
];

/// What stands below some listings: who, about what, and the words.
pub const COMMENTS: [(&str, &str, &str); 5] = [
    (
        "sam",
        "hill-cabin",
        "Slept ten hours, spoke to a squirrel. Left a loaf.",
    ),
    ("priya", "lighthouse", "112 steps, counted twice. Worth it both times."),
    ("mira", "bakery-flat", "Does the smell of bread come with the rent?"),
    ("omar", "bakery-flat", "From four in the morning, free of charge."),
    (
        "greta",
        "tiny-house",
        "The fern is not included, it belongs to the tenant.",
    ),
];
