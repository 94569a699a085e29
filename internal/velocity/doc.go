// Package velocity keeps sliding windows and profiles of every entity that payments have in common (customer, card,
// device …) and answers what an entity did lately, as of any moment. [Memory] is the implementation in memory;
// [Recount] is the definition in code, by brute force. [Mirror] is what an implementation stands on whose truth lies
// elsewhere, in a log per entity. Every implementation passes the suite of package velocitytest.
//
// # Time
//
// Time is event time, in whole seconds since 1970 (the fraction is cut off); hour(t) is ⌊t/3600⌋. A reading is as of
// T, the second of the event that is judged: an event e counts if t(e) ≤ T and it was observed before, so that an event
// of the same second counts and a later one, even if it came in first, does not. The event that is judged never counts,
// not even when its id had been counted before (Reading.Duplicate).
//
// # Windows
//
//	1m 5m 1h 24h   T − w < t ≤ T                        exact to the second
//	7d 30d         hour(t) > hour(T) − w/1h,  t ≤ T     exact to the hour: the oldest whole hours, and the hour begun
//	…_delayed      the same with T − 604,800 s in place of T, so that nothing newer than that is inside
//
// What is known of an event (its label) is always judged as of T, also in a delayed window: that is what delayed
// windows are for, since the truth about a payment comes late. What we did about it (declines, anomalies) is known
// once it has been settled.
//
// # Aggregates of a window
//
//	count, sum, max      0, 0 and NaN for no events
//	mean                 sum / count
//	sd                   the sample standard deviation (n − 1), NaN below two events; the sums are exact integers
//	declines, anomalies  events settled so
//	frauds               events labeled fraud with known_at ≤ T
//	fraud_share          frauds / count, NaN for no events
//	distinct_<kind>      different counterparts of that kind; an event that lacks one counts none
//
// A distinct count is exact up to MaxDistinct (256) and stays there, with Reading.Saturated, if there are more. It looks
// at the newest events first and at an event of second s only while fewer than MaxDistinctEvents (4,096) events of the
// window are newer than s; when it leaves events out it is a lower bound, with Saturated.
//
// # Profiles
//
// H is the ProfileHorizon. Missing entity: NaN everywhere.
//
//	seconds_since_last   T − t of the newest event in (T − H, T]; NaN without one
//	first_seen_seconds   T − the first event of the entity; 0 if it was never seen before
//	<kind>_age_seconds   T − the first event with this event's counterpart of that kind; 0 if they never met,
//	                     NaN if the event lacks it
//	amount_median        of the sample, the newest 64 events in (T − H, T] (of one second, the larger amounts first);
//	                     NaN without one. Of an even number it is the mean of the middle two
//	amount_spread        1.4826 · the median of |amount − amount_median| over the sample: for normal amounts the
//	                     standard deviation, but deaf to outliers (Hampel, JASA 69, 1974)
//	hour_share           share of the sample whose local hour is at most one from this event's, around the clock
//	fraud_run            known frauds newer than the newest event known to be genuine, over the last 888 hours and at
//	                     most 64. Known genuine is what was labeled so with known_at ≤ T, and what has no label known
//	                     at T and is LabelMaturity old; the rest is unknown and passed over. Frauds of the second of a
//	                     genuine event do not count
//
// Being first seen is a fact about the order of observation: events are taken in as they come. An entity (or a pair)
// that was silent for more than H starts anew. Of each kind of counterpart an entity keeps MaxCounterparts (64);
// the least recently seen goes first, of two that were last seen in the same second the one with the smaller
// [CounterpartOrder].
//
// # What is kept
//
// An entity keeps the events of 38 days behind its newest, in whole hours: 37 days for the delayed 30d window and one day
// for those who come late. Beyond that it keeps the newest 65 that are a day older than its newest, up to H, for the
// sample. If it has more than MaxEvents it forgets its oldest second, as a whole, and again, until it fits; a window that
// reaches such a second is Saturated and holds only newer ones. Each entity decides for itself. An event is forgotten
// when the last entity has let it go.
//
// A reading is Late as of more than 24 hours before the newest event of its customer, or of one of its entities that the
// plan asks about (also if that event was retracted since), or more than 37 days before the newest event of all: then it
// says what is left. Otherwise windows are a pure function of the events that were observed and not retracted, in any
// order, and what is said of meetings is one of their order as well. Two implementations may differ where Reading.Late is
// set, and after the retraction of an event that an entity has let go of, or in an entity that has been past MaxEvents or
// MaxCounterparts or silent for H. One that is shared by processes may know less of the newest event of all.
//
// # Repeats and corrections
//
// An id counts once while any of its entities remembers it. Settle states both of its flags anew; Label replaces an
// earlier label, and before its known_at the event counts as unlabeled; Retract makes an event as if it had never
// been, so that its id may come again. Ids that are not remembered are passed over by all three.
//
// # Memory
//
// In [Memory] an event takes 64 bytes and its id about 11, once. Each of its entities takes about 5 bytes for it, or 11 if
// it has more than 128 events. An entity takes about 75 bytes, and 16 for each counterpart that the plan asks for. A
// million events of 100,000 customers are about 220 bytes each, all told (BenchmarkObserve).
//
// So the hottest possible entity has MaxEvents events: by default 1,048,576 · 10 bytes = 10.5 MB of its own when they
// come in order, twice that when they come so that every leaf is split, and 8 kinds · 64 · 16 bytes = 8 KB of
// counterparts. Whatever its size, a window costs it at most two times 32 events and 64 leaves at the edges, and one
// summary for 2,048 events between.
//
// Nothing holds pointers but the trees of entities with more than 128 events, one for some 2,000 events, so that the
// garbage collector has next to nothing to look at. Memory does not shrink below its peak but is used again: every new
// event clears away a few old ones and looks at a few entities, and there is never a pass over everything.
package velocity
