use std::collections::{BTreeMap, VecDeque};

use super::*;

const HEADER_WORD: usize = 0x7B7B_7B7B_7B7B_7B7A;

fn arena(pages: u32, most: u32) -> Arena {
    Arena::new(pages, most).expect("addresses")
}

fn make(arena: &mut Arena, size: usize) -> u32 {
    arena.make(size, 3, HEADER_WORD, Side::Behind).expect("room")
}

/// What a system call may read without a signal: whether the bytes at an address can be read.
fn is_open(address: usize) -> bool {
    let mut ends = [0; 2];
    // SAFETY: a place for two descriptors, which are closed again; the kernel looks at the address itself.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let written = libc::write(ends[1], pointer::<c_void>(address), 1);
        for end in ends {
            libc::close(end);
        }
        written == 1
    }
}

fn write(address: usize, byte: u8) {
    assert!(is_open(address));
    // SAFETY: open, and nobody else's.
    unsafe { pointer::<u8>(address).write(byte) };
}

#[test]
fn a_chunk_ends_before_a_closed_page() {
    let mut arena = arena(1000, 100);
    for (size, alignment) in
        [(0, 3), (1, 3), (7, 3), (8, 3), (24, 4), (100, 6), (4088, 3), (4089, 3), (4096, 3), (9000, 12)]
    {
        let number = arena.make(size, alignment, HEADER_WORD, Side::Behind).unwrap();
        let chunk = arena.chunk(number);
        assert_eq!(chunk % (1 << alignment), 0);
        let end = chunk + size.next_multiple_of(1 << alignment);
        assert!(end.is_multiple_of(PAGE) && !is_open(end), "{size}");
        assert!(is_open(chunk - HEADER));
        let pages = (HEADER + size.next_multiple_of(1 << alignment)).next_multiple_of(PAGE);
        assert!(is_open(end - pages) && !is_open(end - pages - 1), "{size}");
        assert_eq!(arena.find(chunk), Some(number));
        assert_eq!(arena.owner(end), Some(number), "the closed page is the chunk's too");
        // SAFETY: an open chunk.
        let bytes = unsafe { std::slice::from_raw_parts(pointer::<u8>(chunk), size) };
        assert!(bytes.iter().all(|&byte| byte == 0));
        assert_eq!(arena.damage(number, HEADER_WORD), None);
        arena.close(number, Fate::Released);
        assert!(!is_open(chunk) && !is_open(chunk - HEADER));
        assert_eq!((arena.find(chunk), arena.fate(number)), (Some(number), Some(Fate::Released)));
    }
}

#[test]
fn a_chunk_begins_behind_a_closed_page() {
    let mut arena = arena(1000, 100);
    let early = arena.make(8, 3, HEADER_WORD, Side::Before).unwrap();
    assert!(is_open(arena.chunk(early) - HEADER), "as long as nobody opens what is closed");
    arena.has_opener(true);
    for (size, alignment) in [(0, 3), (1, 3), (24, 4), (100, 6), (4095, 3), (4096, 3), (4097, 3), (9000, 12)] {
        let number = arena.make(size, alignment, HEADER_WORD, Side::Before).unwrap();
        let chunk = arena.chunk(number);
        assert!(chunk.is_multiple_of(PAGE) && !is_open(chunk - 1) && !is_open(chunk - HEADER), "{size}");
        let end = chunk + size.max(1).next_multiple_of(PAGE);
        assert!(is_open(chunk) && is_open(end - 1) && !is_open(end), "{size}");
        assert_eq!((arena.find(chunk), arena.owner(chunk - 1)), (Some(number), Some(number)));
        assert_eq!(
            (arena.owner(end), arena.record(number).room_for()),
            (Some(number), size.next_multiple_of(1 << alignment))
        );
        assert_eq!(arena.damage(number, HEADER_WORD), None);
        if size < 4096 {
            write(chunk + size, 0);
            assert_eq!(arena.damage(number, HEADER_WORD), Some(Damage { offset: size as i64, bytes: 1 }));
        }
        arena.close(number, Fate::Released);
        assert!(!is_open(chunk));
    }
}

#[test]
fn a_closed_header_is_opened_until_another_chunk_comes_or_goes() {
    let mut arena = arena(1000, 100);
    arena.has_opener(true);
    let numbers: Vec<_> = (0..3).map(|_| arena.make(40, 3, HEADER_WORD, Side::Before).unwrap()).collect();
    let headers: Vec<_> = numbers.iter().map(|&number| arena.chunk(number) - HEADER).collect();
    let open =
        |arena: &mut Arena| headers.iter().map(|&header| (arena.open(header), is_open(header))).collect::<Vec<_>>();
    assert_eq!(open(&mut arena), [(true, true); 3], "one after the other");
    assert_eq!(headers.iter().map(|&header| is_open(header)).collect::<Vec<_>>(), [false, false, true]);
    assert!(!arena.open(headers[2]), "it is open already");
    for elsewhere in [headers[0] + 1, headers[0] - HEADER, headers[0] + HEADER, 0, arena.range().end] {
        assert!(!arena.open(elsewhere));
    }
    // SAFETY: open to be read.
    assert_eq!(unsafe { pointer::<usize>(headers[2]).read() }, HEADER_WORD);
    arena.close(numbers[1], Fate::Released);
    assert!(!is_open(headers[2]) && !arena.open(headers[1]), "one that is gone stays closed");
    assert!(arena.open(headers[0]));
    make(&mut arena, 8);
    assert!(!is_open(headers[0]));
    // Without anybody to open them they are open, and closed again when there is somebody.
    arena.has_opener(false);
    assert!(is_open(headers[0]) && is_open(headers[2]) && !is_open(headers[1]));
    arena.has_opener(true);
    assert!(!is_open(headers[0]) && !is_open(headers[2]));
    arena.close(numbers[0], Fate::Released);
    assert_eq!(arena.fate(numbers[2]), Some(Fate::Live));
}

#[test]
fn what_was_written_around_a_chunk_is_seen() {
    let table = [
        // Behind: the bytes up to the closed page.
        (13, 13, 1, Some((13, 1))),
        (13, 14, 2, Some((14, 2))),
        (13, 12, 1, None),
        // Before: the header, and what lies before that in its page.
        (13, -1, 1, Some((-1, 1))),
        (13, -8, 8, Some((-8, 8))),
        (13, -12, 6, Some((-12, 6))),
        (13, -3000, 2, Some((-3000, 2))),
        (16, 0, 16, None),
        (4096, -1, 1, Some((-1, 1))),
        (4096, -4000, 1, Some((-4000, 1))),
    ];
    for (size, offset, bytes, expected) in table {
        for byte in [0, 1, 0xff] {
            let mut arena = arena(100, 10);
            let number = make(&mut arena, size);
            let chunk = arena.chunk(number);
            (0..bytes).for_each(|at| write(chunk.wrapping_add_signed(offset + at), byte));
            let expected = expected.map(|(offset, bytes)| Damage { offset, bytes });
            assert_eq!(arena.damage(number, HEADER_WORD), expected, "{size} {offset} {bytes} {byte}");
        }
    }
}

#[test]
fn addresses_are_not_used_again_soon() {
    let mut arena = arena(1001, 100);
    let mut seen = VecDeque::new();
    for turn in 0..5000 {
        let number = make(&mut arena, 40);
        let chunk = arena.chunk(number);
        arena.close(number, Fate::Released);
        if turn >= 500 {
            assert_eq!(seen.pop_front(), Some(chunk), "the one that was given back first");
        }
        assert!(!seen.contains(&chunk));
        seen.push_back(chunk);
    }
    assert!(arena.last <= 501, "records are used again");
}

#[test]
fn there_is_an_end_to_chunks_and_to_addresses() {
    let mut arena = arena(21, 5);
    let numbers: Vec<_> = (0..5).map(|_| make(&mut arena, 8)).collect();
    assert_eq!(arena.make(8, 3, 0, Side::Behind), None, "no more are to be in use");
    arena.close(numbers[2], Fate::Released);
    assert_eq!(arena.make(11 * PAGE, 3, 0, Side::Behind), None, "no room in a row");
    assert_eq!(arena.make(usize::MAX / 2, 3, 0, Side::Behind), None);
    assert_eq!(arena.make(u32::MAX as usize + 8, 3, 0, Side::Behind), None);
    let large = make(&mut arena, 8 * PAGE);
    assert_eq!(arena.live(), 5);
    arena.close(large, Fate::Released);
    // With the chunks that are live in between.
    assert!((0..10).all(|_| {
        let number = make(&mut arena, 2 * PAGE);
        arena.close(number, Fate::Released);
        true
    }));
    assert!(
        numbers.iter().filter(|&&number| number != numbers[2]).all(|&number| arena.fate(number) == Some(Fate::Live))
    );
}

#[test]
fn an_address_elsewhere_is_nobodys() {
    let mut arena = arena(100, 10);
    let number = make(&mut arena, 8);
    let chunk = arena.chunk(number);
    let range = arena.range();
    for address in [0, range.start - 1, range.start, range.end - 1, range.end, usize::MAX] {
        assert_eq!(arena.owner(address), None);
    }
    assert_eq!(arena.find(chunk - 8), None);
    assert_eq!(arena.owner(chunk - 8), Some(number));
}

#[test]
fn a_list_is_closed_at_once() {
    let mut arena = arena(1000, 400);
    let sizes = [8, 5000, 0, 64];
    let numbers: Vec<_> = (0..80).map(|turn| make(&mut arena, sizes[turn % sizes.len()])).collect();
    let (gone, stay): (Vec<u32>, Vec<u32>) = numbers.iter().partition(|&&number| number % 7 != 0);
    let chunks = |arena: &Arena, numbers: &[u32]| numbers.iter().map(|&number| arena.chunk(number)).collect::<Vec<_>>();
    let (gone_chunks, stay_chunks) = (chunks(&arena, &gone), chunks(&arena, &stay));
    for order in [gone.clone(), gone.iter().rev().copied().collect()] {
        for pair in order.windows(2) {
            arena.record_mut(pair[0]).next = pair[1];
        }
        arena.record_mut(order[order.len() - 1]).next = 0;
        if order == gone {
            continue;
        }
        arena.close_all(order[0], Fate::Reset, Origin::new(3, 4));
    }
    assert_eq!(arena.live() as usize, stay.len());
    assert!(gone.iter().all(|&number| arena.fate(number) == Some(Fate::Reset)));
    assert!(gone.iter().all(|&number| arena.record(number).released == Origin::new(3, 4)));
    assert!(gone_chunks.iter().all(|&chunk| !is_open(chunk - HEADER)));
    assert!(stay_chunks.iter().all(|&chunk| is_open(chunk - HEADER)));
    arena.forget_stacks();
    assert!(gone.iter().all(|&number| arena.record(number).released == Origin::new(3, 0)));
}

/// Against a map from addresses to what is known of the chunks, in an arena that is small enough to be gone around often.
#[test]
fn agrees_with_a_map() {
    let mut arena = arena(600, 120);
    arena.has_opener(true);
    let mut live: BTreeMap<usize, (u32, usize, u8)> = BTreeMap::new();
    let mut state = 11u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut refused = 0;
    for step in 0..60_000 {
        let alignment = [3, 3, 3, 4, 6, 12][random(6)];
        let size = [random(64), random(300), random(9000), random(60_000)][random(4)];
        match random(100) {
            0..=52 => match arena.make(size, alignment, HEADER_WORD, [Side::Behind, Side::Before][random(2)]) {
                None => refused += 1,
                Some(number) => {
                    let chunk = arena.chunk(number);
                    let end = (chunk + size).next_multiple_of(PAGE);
                    let above = live.range(chunk - HEADER..).next();
                    let below = live.range(..chunk).next_back();
                    assert!(above.is_none_or(|(&other, _)| other - HEADER >= end + PAGE), "a closed page between");
                    assert!(below.is_none_or(
                        |(&other, &(_, size, _))| (other + size).next_multiple_of(PAGE) + PAGE <= chunk - HEADER
                    ));
                    let byte = 1 + step as u8 % 100;
                    // SAFETY: an open chunk of that size.
                    unsafe { std::ptr::write_bytes(pointer::<u8>(chunk), byte, size) };
                    live.insert(chunk, (number, size, byte));
                }
            },
            _ if live.is_empty() => {}
            _ => {
                let which = random(live.len());
                let (&chunk, &(number, size, byte)) = live.iter().nth(which).unwrap();
                assert_eq!((arena.find(chunk), arena.record(number).size()), (Some(number), size));
                assert_eq!(arena.damage(number, HEADER_WORD), None);
                // SAFETY: as above.
                let bytes = unsafe { std::slice::from_raw_parts(pointer::<u8>(chunk), size) };
                assert!(bytes.iter().all(|&other| other == byte), "nobody else has written there");
                arena.close(number, Fate::Released);
                live.remove(&chunk);
            }
        }
        assert_eq!(arena.live() as usize, live.len());
    }
    assert!(refused > 100, "it has been full");
}
