"""Rules that every object of a stack must obey: as a Pulumi policy pack at `preview` and `up`, and over rendered manifests."""
