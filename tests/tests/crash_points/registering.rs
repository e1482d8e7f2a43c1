pub(crate) const PLACES: [arrivage_fault::Point; 0] = [];
pub(crate) const MIGRATION: [arrivage_fault::Point; 0] = [];
