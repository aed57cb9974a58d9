// Frames that no decent client sends, one by one or drawn at random.
#pragma once

#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/wire.hpp>
#include <steward/core/writer.hpp>
#include <steward/tests/fuzz/core_script.hpp>

namespace steward::detail::test {

inline constexpr std::string_view kNoArguments{"\x90", 1};

inline std::string calls_frame(core::Seq seq, core::ObjectId object, core::MethodKey method,
                               std::string_view args, core::Seq first_incomplete = 1) {
  core::Call call;
  call.seq = seq;
  call.thread = 1;
  call.wait_ms = 0;
  call.object = object;
  call.method = method;
  call.args = args;
  std::string bytes;
  core::append_call(bytes, call);
  return core::encode_calls(first_incomplete, {bytes});
}

// A calls envelope whose one call has these bytes as arguments and extras.
inline std::string raw_call(std::string_view args, std::string_view extras = {"\x80", 1}) {
  using std::string_view_literals::operator""sv;
  std::string frame("\x94\x01\x03\x01\x91\x97\x01\x01\xc0\x00\xa7objects"sv);
  frame += args;
  frame += extras;
  return frame;
}

// Frames that are no envelopes of a client, or malformed: each ends the session.
inline std::vector<std::string> malformed_frames() {
  using std::string_view_literals::operator""sv;
  std::vector<std::string> frames{
      // No envelope of this version.
      "", "\xc0", "\xc1", "\x90", "\x91\x01", std::string("\x92\x00\x03"sv), "\x92\x02\x08",
      std::string("\x92\x01\x00"sv), "\x92\x01\x0b", "\x92\x01\xcc\xff", "\xa5hello",
      "GET / HTTP/1.1\r\n\r\n", std::string(65'536, '\xff'),
      // What a manager says.
      core::encode(core::Welcome{}), core::encode_replies({}),
      core::encode_unknown_connection("c"), core::encode_unknown_session("?"),
      // Something behind the end.
      core::encode_calls(1, {}) + '\xc0', core::encode_bye() + core::encode_bye(),
      core::encode_seqs(core::Envelope::ack, {1}) + '\x01',
      // Lengths of 2^32 - 1 and what is nested without end.
      "\xdd\xff\xff\xff\xff\x01\x08", std::string("\x94\x01\x03\x01\xdd\xff\xff\xff\xff"sv),
      "\x93\x01\x05\xdd\xff\xff\xff\xff", "\x93\x01\x06\xdf\xff\xff\xff\xff",
      raw_call("\xdd\xff\xff\xff\xff"), raw_call("\x91\xdb\xff\xff\xff\xff"),
      raw_call("\x91\xc6\xff\xff\xff\xff"), raw_call("\x91\xc9\xff\xff\xff\xff\x01"),
      raw_call("\x91\xdf\xff\xff\xff\xff"), std::string(1'000'000, '\x91'),
      std::string(1'000'000, '\x81'), raw_call(std::string(1'000'000, '\x91')),
      raw_call(kNoArguments, "\x81\xa1x" + std::string(1'000'000, '\x91')),
      // Wrong kinds and numbers of fields.
      "\x93\x01\x03\x01", "\x94\x01\x03\xa1x\x90", "\x94\x01\x03\x01\x91\x90",
      "\x94\x01\x03\xff\x90", "\x93\x01\x05\x91\xff", "\x93\x01\x05\xc0",
      std::string("\x94\x01\x03\x01\x91\x97\xa1s\x01\xc0\x00\xa1m\x90\x80"sv),
      std::string("\x94\x01\x03\x01\x91\x97\x01\x01\xff\x00\xa1m\x90\x80"sv),
      std::string("\x94\x01\x03\x01\x91\x97\x01\x01\xc0\xff\xa1m\x90\x80"sv),
      std::string("\x94\x01\x03\x01\x91\x97\x01\x01\xc0\x00\xff\x90\x80"sv),
      std::string("\x94\x01\x03\x01\x91\x97\x01\x01\xc0\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00"
                  "\x90\x80"sv),
      std::string("\x94\x01\x03\x01\x91\x96\x01\x01\xc0\x00\xa1m\x90"sv),
      std::string("\x94\x01\x03\x01\x91\x98\x01\x01\xc0\x00\xa1m\x90\x80\xc0"sv),
      raw_call("\x80"), raw_call("\xc0"), raw_call(kNoArguments, kNoArguments),
      raw_call(kNoArguments, "\x81\x01\x01"), raw_call(kNoArguments, "\x81\xa4post\x01"),
      raw_call(kNoArguments, "\x82\xa4post\xc3\xa4post\xc3"),
      raw_call("\x91\xc1"),
      calls_frame(1, core::kManagerObject, std::string_view("m"), "\x91"),
      // Longer than anything that is named.
      calls_frame(1, core::kManagerObject, std::string(256, 'm'), kNoArguments)};
  core::Hello hello;
  hello.ticket.assign(257, 't');
  frames.push_back(core::encode(hello));
  return frames;
}

// Arguments that no method of any class takes: each is a wrong call, and nothing worse.
inline std::vector<std::string> wrong_arguments() {
  using std::string_view_literals::operator""sv;
  std::vector<std::string> all{
      "\x96\x01\x01\x01\x01\x01\x01",                // too many for any
      std::string("\xdc\x04\x00"sv) + std::string(1024, '\xc0'),
      "\x91\xd4\x2a\x01",                            // an unknown extension
      std::string("\x91\xc7\x00\x01"sv),             // a handle of nothing
      "\x91\xc7\x02\x01\x91\x01",                    // a handle of something else
      "\x91\x82\x01\x02\x01\x03",                    // a key twice
      // 1 and 1.0 are one key.
      std::string("\x91\x82\x01\x02\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\x03"sv),
  };
  // A list of one item that is nested one level more than a value may be; it fits a frame.
  all.push_back("\x91" + std::string(66, '\x91') + "\xc0");
  return all;
}

// Whether a server takes this frame from a client with a session. (What it then makes of the calls
// is another matter.)
inline bool is_well_formed(std::string_view frame) {
  try {
    const core::OpenEnvelope envelope = core::open_envelope(frame);
    switch (envelope.kind) {
      case core::Envelope::hello: core::decode_hello(envelope); return true;
      case core::Envelope::calls: core::decode_calls(envelope); return true;
      case core::Envelope::ack:
      case core::Envelope::cancel: core::decode_seqs(envelope); return true;
      case core::Envelope::renew:
      case core::Envelope::bye: return true;
      default: return false;
    }
  } catch (const BadCall&) {
    return false;
  }
}

// Draws frames.
class FrameStorm {
 public:
  FrameStorm(std::uint64_t seed, std::vector<std::string> seeds)
      : random_(seed), seeds_(std::move(seeds)) {}

  // One call, well-formed and wild: of any method, with any arguments, of one of these objects or
  // of the manager itself. Never `shutdown`.
  std::string call(core::Seq seq, const std::vector<core::ObjectId>& objects,
                   const core::Incarnation& manager) {
    static constexpr std::string_view kManagerMethods[] = {
        "create", "claim",   "lease",             "revoke",     "drop",
        "remove", "objects", "number_of_objects", "debug_info", "none"};
    std::string drawn(24, '\0');
    for (char& byte : drawn) byte = static_cast<char>(below(256));
    fuzz::Script script(drawn);
    core::Call call;
    call.seq = seq;
    call.thread = 1 + below(3);
    if (below(10) != 0) call.wait_ms = below(20);
    if (below(8) == 0) {
      call.object = core::kManagerObject;
      call.method = kManagerMethods[below(std::size(kManagerMethods))];
    } else {
      call.object = objects[below(objects.size())];
      call.method = static_cast<std::uint32_t>(below(22));
    }
    call.post = below(10) == 0;
    std::string args;
    core::Writer out(args);
    const std::size_t count = below(5);
    out.array(count);
    for (std::size_t i = 0; i < count; ++i) fuzz::write_argument(out, script, manager);
    call.args = args;
    std::string bytes;
    core::append_call(bytes, call);
    return core::encode_calls(below(4) == 0 ? seq : 1, {bytes});
  }

  // One of the seeds, changed a little or much.
  std::string changed() {
    std::string frame = seeds_[below(seeds_.size())];
    for (std::size_t changes = below(5); changes > 0; --changes) change(frame);
    return frame;
  }
  std::size_t below(std::size_t limit) { return random_() % limit; }

 private:
  void change(std::string& frame) {
    const std::size_t place = frame.empty() ? 0 : below(frame.size());
    const auto byte = static_cast<char>(below(256));
    switch (below(5)) {
      case 0: frame.insert(place, 1, byte); return;
      case 1: frame.erase(place, 1 + below(4)); return;
      case 2: frame.resize(place); return;
      case 3: frame += seeds_[below(seeds_.size())].substr(0, 64); return;
      default:
        if (!frame.empty()) frame[place] = byte;
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> seeds_;
};

}  // namespace steward::detail::test
