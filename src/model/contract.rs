//! The five wire contracts that a front end may speak.

/// One of the five. What each means is told in `contracts`; the inner rooms only need to know that they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Contract {
    PropertyChat,
    Conversations,
    MediaChat,
    TenantChat,
    ListingChat,
}

impl Contract {
    pub const ALL: [Contract; 5] = [
        Contract::PropertyChat,
        Contract::Conversations,
        Contract::MediaChat,
        Contract::TenantChat,
        Contract::ListingChat,
    ];

    /// The name in `auth.contract`, `?contract=` and `DOORBELL_CONTRACT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Contract::PropertyChat => "property-chat",
            Contract::Conversations => "conversations",
            Contract::MediaChat => "media-chat",
            Contract::TenantChat => "tenant-chat",
            Contract::ListingChat => "listing-chat",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contract| contract.as_str() == name)
    }
}

impl std::fmt::Display for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
