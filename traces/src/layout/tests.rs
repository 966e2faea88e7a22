use super::*;

/// Bytes of the named field.
fn of<'a>(bytes: &'a [u8], fields: &[Field], name: &str) -> &'a [u8] {
    let field = fields.iter().find(|field| field.name == name).expect("the table has it");
    &bytes[field.offset..][..field.size]
}

#[test]
fn tables_leave_no_hole_and_do_not_overlap() {
    for fields in [&FILE_HEADER[..], &SEGMENT_HEADER, &FRAME_HEADER] {
        for pair in fields.windows(2) {
            assert_eq!(pair[0].offset + pair[0].size, pair[1].offset, "{}", pair[1].name);
        }
    }
}

#[test]
fn a_file_header_lies_where_its_table_says() {
    let header =
        FileHeader { kind: FileKind::Ring, file_id: [7; 16], size: 64 << 20, segment_size: 512 << 10 };
    let bytes = header.encode();
    let field = |name| of(&bytes, &FILE_HEADER, name);
    assert_eq!(field("magic"), FILE_MAGIC);
    assert_eq!(field("major"), [1, 0]);
    assert_eq!(field("kind"), [1, 0, 0, 0]);
    assert_eq!(field("file_id"), [7; 16]);
    assert_eq!(field("size"), (64u64 << 20).to_le_bytes());
    assert_eq!(field("segment_size"), (512u32 << 10).to_le_bytes());
    assert_eq!(field("first_segment"), 8192u32.to_le_bytes());
    assert_eq!(field("crc"), crc32c::crc32c(&bytes[..60]).to_le_bytes());
    assert_eq!(FileHeader::decode(&bytes), Ok(header));
}

#[test]
fn a_segment_header_lies_where_its_table_says() {
    let header = SegmentHeader {
        seq: 1,
        session: SessionId([2; 16]),
        first_number: 3,
        lost_before: 4,
        time_ns: 5,
        writer: 6,
        chain: 7,
        flags: SEGMENT_CONTINUES,
        len: 8,
    };
    let bytes = header.encode(&[9; 16]);
    let field = |name| of(&bytes, &SEGMENT_HEADER, name);
    assert_eq!(field("magic"), SEGMENT_MAGIC);
    assert_eq!(field("seq"), 1u64.to_le_bytes());
    assert_eq!(field("session"), [2; 16]);
    assert_eq!(field("first_number"), 3u64.to_le_bytes());
    assert_eq!(field("lost_before"), 4u64.to_le_bytes());
    assert_eq!(field("time_ns"), 5u64.to_le_bytes());
    assert_eq!(field("writer"), 6u32.to_le_bytes());
    assert_eq!(field("chain"), 7u32.to_le_bytes());
    assert_eq!(field("flags"), 1u32.to_le_bytes());
    assert_eq!(field("len"), 8u32.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&bytes, &[9; 16]), Some(header));
    assert_eq!(SegmentHeader::decode(&bytes, &[8; 16]), None, "of another file");
}

#[test]
fn a_frame_header_lies_where_its_table_says() {
    let header = FrameHeader {
        kind: kind::EVENTS,
        flags: FRAME_MORE,
        count: 1,
        lost: 2,
        writer: 3,
        first_number: 4,
        first_ns: 5,
        last_ns: 6,
    };
    let mut bytes = vec![0xff; FRAME_HEADER_LEN + 3];
    let crc = header.seal(&mut bytes, 77);
    let field = |name| of(&bytes, &FRAME_HEADER, name);
    assert_eq!(field("crc"), crc.to_le_bytes());
    assert_eq!(field("len"), 3u32.to_le_bytes());
    assert_eq!((field("kind"), field("flags")), (&[5][..], &[1][..]));
    assert_eq!(field("reserved"), [0, 0]);
    assert_eq!(field("count"), 1u32.to_le_bytes());
    assert_eq!(field("lost"), 2u32.to_le_bytes());
    assert_eq!(field("writer"), 3u32.to_le_bytes());
    assert_eq!(field("first_number"), 4u64.to_le_bytes());
    assert_eq!(field("first_ns"), 5u64.to_le_bytes());
    assert_eq!(field("last_ns"), 6u64.to_le_bytes());
    let frame = Frames::after(&bytes, 0, 77).next().expect("it checks");
    assert_eq!((frame.header, frame.payload, frame.crc), (header, &[0xff; 3][..], crc));
    assert!(Frames::after(&bytes, 0, 78).next().is_none(), "behind another frame");
}
