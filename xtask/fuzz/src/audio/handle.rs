//! Every kind of handle, with what is in it.

use core::{
    alloc::Layout,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use detalloc_audio::{Refusal, Rt, RtArc, RtBox, RtQueue, RtString, RtVec, Tailed};
use std::sync::Arc;

/// A value that counts its end.
pub(super) struct Value {
    tag: u64,
    dropped: Arc<AtomicUsize>,
}

impl Value {
    pub(super) fn new(tag: u64, dropped: &Arc<AtomicUsize>) -> Self {
        Self { tag, dropped: Arc::clone(dropped) }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // One that is destroyed twice would say so here.
        assert_ne!(self.tag, 0);
        self.tag = 0;
        self.dropped.fetch_add(1, Relaxed);
    }
}

/// What a value shows of itself where its type is not known.
pub(super) trait Tagged: Send {
    fn tag(&self) -> u64;
}

impl Tagged for Value {
    fn tag(&self) -> u64 {
        self.tag
    }
}

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Small,
    Large,
    Value,
    Dyn,
    Shared,
    SharedValue,
    Numbers,
    Values,
    Text,
    Queue,
    Tailed,
}

pub(super) const KINDS: [Kind; 11] = [
    Kind::Small,
    Kind::Large,
    Kind::Value,
    Kind::Dyn,
    Kind::Shared,
    Kind::SharedValue,
    Kind::Numbers,
    Kind::Values,
    Kind::Text,
    Kind::Queue,
    Kind::Tailed,
];

impl Kind {
    /// What a handle of this kind, with so many elements where it has any, asks its heap for.
    pub(super) fn layout(self, len: usize) -> Layout {
        let behind = |header: Layout, elements: Result<Layout, _>| {
            let (layout, _) = header.extend(elements.expect("short")).expect("short");
            layout.pad_to_align()
        };
        match self {
            Self::Small => Layout::new::<u64>(),
            Self::Large => Layout::new::<[u64; 40]>(),
            Self::Value | Self::Dyn => Layout::new::<Value>(),
            Self::Shared => Layout::new::<[u64; 2]>(),
            Self::SharedValue => behind(Layout::new::<usize>(), Layout::array::<Value>(1)),
            Self::Numbers => Layout::array::<u64>(len).expect("short"),
            Self::Values => Layout::array::<Value>(len).expect("short"),
            Self::Text => Layout::array::<u8>(len).expect("short"),
            Self::Queue => behind(Layout::new::<[usize; 2]>(), Layout::array::<Value>(len)),
            Self::Tailed => behind(Layout::new::<u64>(), Layout::array::<u32>(len)),
        }
    }

    pub(super) fn has_destructor(self) -> bool {
        matches!(self, Self::Value | Self::Dyn | Self::SharedValue | Self::Values | Self::Queue)
    }
}

/// What was made.
pub(super) enum Made {
    Small(RtBox<u64>),
    Large(RtBox<[u64; 40]>),
    Value(RtBox<Value>),
    Dyn(RtBox<dyn Tagged>),
    Shared(RtArc<u64>),
    SharedValue(RtArc<Value>),
    Numbers(RtVec<u64>),
    Values(RtVec<Value>),
    Text(RtString),
    Queue(RtQueue<Value>),
    Tailed(RtBox<Tailed<u64, [u32]>>),
}

impl Made {
    /// Makes one, full of its tag, and says how many values that took.
    pub(super) fn new(
        kind: Kind,
        rt: &Rt<'_>,
        len: usize,
        tag: u64,
        dropped: &Arc<AtomicUsize>,
    ) -> (Result<Self, Refusal>, usize) {
        let value = || Value::new(tag, dropped);
        match kind {
            Kind::Small => (rt.boxed(tag).map(Self::Small).map_err(|no| no.refusal), 0),
            Kind::Large => (rt.boxed([tag; 40]).map(Self::Large).map_err(|no| no.refusal), 0),
            Kind::Value => (rt.boxed(value()).map(Self::Value).map_err(|no| no.refusal), 1),
            Kind::Dyn => {
                let made =
                    rt.boxed(value()).map(|boxed| Self::Dyn(detalloc_audio::unsize!(boxed => dyn Tagged)));
                (made.map_err(|no| no.refusal), 1)
            }
            Kind::Shared => (rt.arc(tag).map(Self::Shared).map_err(|no| no.refusal), 0),
            Kind::SharedValue => (rt.arc(value()).map(Self::SharedValue).map_err(|no| no.refusal), 1),
            Kind::Numbers => {
                let made = rt.vec(len).map(|mut vec| {
                    while vec.try_push(tag).is_ok() {}
                    Self::Numbers(vec)
                });
                (made, 0)
            }
            Kind::Values => {
                let made = rt.vec(len).map(|mut vec| {
                    (0..len).for_each(|_| assert!(vec.try_push(value()).is_ok(), "room"));
                    Self::Values(vec)
                });
                let values = if made.is_ok() { len } else { 0 };
                (made, values)
            }
            Kind::Text => {
                let made = rt.string(len).map(|mut text| {
                    while text.try_push_str("~").is_ok() {}
                    Self::Text(text)
                });
                (made, 0)
            }
            Kind::Queue => {
                let made = rt.queue(len).map(|mut queue| {
                    (0..len).for_each(|number| {
                        let pushed = match number % 2 {
                            0 => queue.try_push_back(value()),
                            _ => queue.try_push_front(value()),
                        };
                        assert!(pushed.is_ok(), "room");
                    });
                    Self::Queue(queue)
                });
                let values = if made.is_ok() { len } else { 0 };
                (made, values)
            }
            Kind::Tailed => {
                let fill = u32::try_from(tag & 0xFFFF).unwrap_or(0);
                (rt.tailed(tag, len, fill).map(Self::Tailed).map_err(|no| no.refusal), 0)
            }
        }
    }
}

/// What is held, where it came from, and what is in it.
pub(super) struct Handle {
    made: Made,
    tag: u64,
    pub(super) heap: usize,
    /// Of the heap, when it was made; `usize::MAX` where nobody keeps account.
    pub(super) generation: usize,
    pub(super) pool: usize,
}

impl Handle {
    pub(super) fn new(made: Made, tag: u64, heap: usize, generation: usize, pool: usize) -> Self {
        Self { made, tag, heap, generation, pool }
    }

    /// Another handle of the same, if there can be one.
    pub(super) fn share(&self) -> Option<Self> {
        let made = match &self.made {
            Made::Shared(arc) => Made::Shared(arc.clone()),
            Made::SharedValue(arc) => Made::SharedValue(arc.clone()),
            _ => return None,
        };
        Some(Self { made, tag: self.tag, heap: self.heap, generation: self.generation, pool: self.pool })
    }

    /// The kind, if there is no other handle of the same.
    pub(super) fn is_last(&self) -> Option<Kind> {
        Some(match &self.made {
            Made::Small(_) => Kind::Small,
            Made::Large(_) => Kind::Large,
            Made::Value(_) => Kind::Value,
            Made::Dyn(_) => Kind::Dyn,
            Made::Shared(arc) => return (RtArc::strong_count(arc) == 1).then_some(Kind::Shared),
            Made::SharedValue(arc) => return (RtArc::strong_count(arc) == 1).then_some(Kind::SharedValue),
            Made::Numbers(_) => Kind::Numbers,
            Made::Values(_) => Kind::Values,
            Made::Text(_) => Kind::Text,
            Made::Queue(_) => Kind::Queue,
            Made::Tailed(_) => Kind::Tailed,
        })
    }

    /// That everything is as it was made.
    pub(super) fn check(&self) {
        let tag = self.tag;
        let good = match &self.made {
            Made::Small(boxed) => **boxed == tag,
            Made::Large(boxed) => boxed.iter().all(|&number| number == tag),
            Made::Value(boxed) => boxed.tag == tag,
            Made::Dyn(boxed) => boxed.tag() == tag,
            Made::Shared(arc) => **arc == tag,
            Made::SharedValue(arc) => arc.tag == tag,
            Made::Numbers(vec) => vec.len() == vec.capacity() && vec.iter().all(|&number| number == tag),
            Made::Values(vec) => vec.len() == vec.capacity() && vec.iter().all(|value| value.tag == tag),
            Made::Text(text) => text.bytes().all(|byte| byte == b'~'),
            Made::Queue(queue) => queue.is_full() && queue.iter().all(|value| value.tag == tag),
            Made::Tailed(boxed) => {
                boxed.head == tag && boxed.tail.iter().all(|&number| u64::from(number) == tag & 0xFFFF)
            }
        };
        assert!(good, "what a handle holds has changed");
    }
}
