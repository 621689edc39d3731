"""The durable way in: append, spool, claim, take over; knows no tables."""
