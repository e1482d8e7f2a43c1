pub(crate) const PLACES: [arrivage_fault::Point; 0] = [];
