//! The commands, one file each.

pub(crate) mod commit;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod estimate;
pub(crate) mod evaluate;
pub(crate) mod evm;
pub(crate) mod evm_link;
pub(crate) mod hash;
pub(crate) mod inspect;
pub(crate) mod link;
pub(crate) mod model;
pub(crate) mod prove;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod srs;
pub(crate) mod verify;
pub(crate) mod verify_key;
