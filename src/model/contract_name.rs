//! The names of the five wire contracts.

/// A wire contract, as `auth.contract`, `?contract=` and the setting `contract` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContractName {
    PropertyChat,
    Conversations,
    MediaChat,
    TenantChat,
    ListingChat,
}

impl ContractName {
    pub const ALL: [ContractName; 5] = [
        ContractName::PropertyChat,
        ContractName::Conversations,
        ContractName::MediaChat,
        ContractName::TenantChat,
        ContractName::ListingChat,
    ];

    /// As it stands on the wire and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            ContractName::PropertyChat => "property-chat",
            ContractName::Conversations => "conversations",
            ContractName::MediaChat => "media-chat",
            ContractName::TenantChat => "tenant-chat",
            ContractName::ListingChat => "listing-chat",
        }
    }

    /// `None` for a name that no contract has. Letter case counts.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

impl std::fmt::Display for ContractName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
