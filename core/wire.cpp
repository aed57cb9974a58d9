#include <steward/core/wire.hpp>

#include <algorithm>
#include <utility>

#include <steward/core/limits.hpp>
#include <steward/core/text.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::core {
namespace {

// More than a session may have in flight is never listed.
constexpr std::size_t kSeqsInEnvelope = kCallsInFlightMost;
// A frame of many small calls would else become a hundred times its size.
constexpr std::size_t kCallsInEnvelope = 65'536;
// Tickets, proofs, secrets, reasons.
constexpr std::size_t kBlobBytes = 256;

Writer begin(std::string& out, Envelope kind, std::size_t fields) {
  Writer writer(out);
  writer.array(2 + fields);
  writer.natural(kProtocolVersion);
  writer.natural(static_cast<std::uint64_t>(kind));
  return writer;
}

void write_seqs(Writer& writer, const std::vector<Seq>& seqs) {
  writer.array(seqs.size());
  for (const Seq seq : seqs) writer.natural(seq);
}

std::vector<Seq> read_seqs(Reader& reader) {
  const std::size_t count = reader.array();
  if (count > kSeqsInEnvelope) throw BadCall("malformed message: too many call numbers");
  std::vector<Seq> seqs;
  for (std::size_t i = 0; i < count; ++i) seqs.push_back(reader.natural());
  return seqs;
}

void require_fields(const OpenEnvelope& envelope, std::size_t least) {
  if (envelope.fields < least) throw BadCall("malformed message: fields are missing");
}

// Passes over the fields behind the `known` ones, which a later version may have added; nothing may
// follow them.
void finish(OpenEnvelope& envelope, std::size_t known) {
  for (std::size_t i = known; i < envelope.fields; ++i) envelope.body.skip(kFrameDepth);
  envelope.body.finish();
}

template <class Id>
Id read_id(Reader& reader) {
  const auto id = Id::from(reader.bytes());
  if (!id) throw BadCall("malformed message: an identity is not 16 bytes");
  return *id;
}

std::string read_blob(Reader& reader) {
  const std::string_view bytes = reader.bytes();
  if (bytes.size() > kBlobBytes) throw BadCall("malformed message: a key field is too long");
  return std::string(bytes);
}

std::vector<std::string> read_addresses(Reader& reader) {
  const std::size_t count = reader.array();
  if (count > kAddressesInToken) throw BadCall("malformed message: too many addresses");
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view address = reader.string();
    if (address.size() > kAddressBytes) throw BadCall("malformed message: an address is too long");
    addresses.emplace_back(address);
  }
  return addresses;
}

// Extras are for what comes later: an unknown one is passed over.
void read_extras(Reader& reader, Call& call) {
  if (reader.nil_if_next()) return;
  const std::size_t count = reader.map();
  bool has_post = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (reader.string() == "post") {
      // Which one counts? Two readers might disagree.
      if (std::exchange(has_post, true)) throw BadCall("malformed message: an extra occurs twice");
      call.post = reader.boolean();
    } else {
      reader.skip(kFrameDepth);
    }
  }
}

Call read_call(Reader& reader) {
  reader.array_of(7);
  Call call;
  call.seq = reader.natural();
  call.thread = reader.natural();
  if (!reader.nil_if_next()) call.wait_ms = reader.natural();
  call.object = ObjectId{reader.natural()};
  if (reader.peek() == Kind::string) {
    const std::string_view name = reader.string();
    if (name.size() > kMethodNameBytes) throw BadCall("a method's name is too long");
    call.method = name;
  } else {
    const std::uint64_t index = reader.natural();
    if (index > UINT32_MAX) throw BadCall("a method's index is too large");
    call.method = static_cast<std::uint32_t>(index);
  }
  if (reader.peek() != Kind::array) throw BadCall("a call's arguments must be a list");
  call.args = reader.skip(kFrameDepth);
  read_extras(reader, call);
  return call;
}

Reply read_reply(Reader& reader) {
  reader.array_of(3);
  Reply reply;
  reply.seq = reader.natural();
  const std::uint64_t code = reader.natural();
  if (code > UINT8_MAX) throw BadCall("malformed message: an error code is too large");
  reply.code = static_cast<ErrorCode>(code);
  reply.payload = reader.skip(kFrameDepth);
  return reply;
}

}  // namespace

OpenEnvelope open_envelope(std::string_view frame) {
  Reader reader(frame);
  const std::size_t fields = reader.array();
  if (fields < 2) throw BadCall("malformed message: no version and kind");
  const std::uint64_t version = reader.natural();
  if (version != kProtocolVersion) {
    throw BadCall("the other side speaks protocol version " + std::to_string(version) +
                  ", this one " + std::to_string(kProtocolVersion));
  }
  const std::uint64_t kind = reader.natural();
  if (kind < 1 || kind > static_cast<std::uint64_t>(Envelope::unknown_session)) {
    throw BadCall("malformed message: unknown kind " + std::to_string(kind));
  }
  const OpenEnvelope envelope{static_cast<Envelope>(kind), fields - 2, reader};
  // It says all by its kind; nobody decodes the rest.
  if (envelope.kind == Envelope::renew) {
    OpenEnvelope rest = envelope;
    finish(rest, 0);
  }
  return envelope;
}

std::string encode(const Hello& hello) {
  std::string out;
  Writer writer = begin(out, Envelope::hello, 6);
  writer.bytes(hello.ticket);
  if (hello.session) {
    writer.bytes(hello.session->view());
  } else {
    writer.nil();
  }
  writer.bytes(hello.nonce);
  writer.bytes(hello.proof);
  write_seqs(writer, hello.incomplete);
  writer.natural(hello.first_incomplete);
  return out;
}

Hello decode_hello(OpenEnvelope envelope) {
  require_fields(envelope, 6);
  Reader& reader = envelope.body;
  Hello hello;
  hello.ticket = read_blob(reader);
  if (!reader.nil_if_next()) hello.session = read_id<SessionId>(reader);
  hello.nonce = read_blob(reader);
  hello.proof = read_blob(reader);
  hello.incomplete = read_seqs(reader);
  hello.first_incomplete = reader.natural();
  finish(envelope, 6);
  return hello;
}

std::string encode(const Welcome& welcome) {
  std::string out;
  Writer writer = begin(out, Envelope::welcome, 8);
  writer.bytes(welcome.session.view());
  writer.bytes(welcome.secret);
  writer.bytes(welcome.incarnation.view());
  writer.bytes(welcome.proof);
  writer.natural(welcome.message_bytes);
  writer.natural(welcome.calls_in_flight);
  writer.natural(welcome.lease_ms);
  writer.array(welcome.addresses.size());
  for (const std::string& address : welcome.addresses) writer.string(address);
  return out;
}

Welcome decode_welcome(OpenEnvelope envelope) {
  require_fields(envelope, 8);
  Reader& reader = envelope.body;
  Welcome welcome;
  welcome.session = read_id<SessionId>(reader);
  welcome.secret = read_blob(reader);
  welcome.incarnation = read_id<Incarnation>(reader);
  welcome.proof = read_blob(reader);
  welcome.message_bytes = reader.natural();
  welcome.calls_in_flight = reader.natural();
  welcome.lease_ms = reader.natural();
  welcome.addresses = read_addresses(reader);
  finish(envelope, 8);
  return welcome;
}

std::string encode_unknown_connection(std::string_view challenge) {
  std::string out;
  begin(out, Envelope::unknown_connection, 1).bytes(challenge);
  return out;
}

std::string encode_unknown_session(std::string_view reason) {
  std::string out;
  begin(out, Envelope::unknown_session, 1).bytes(cut(reason, kBlobBytes));
  return out;
}

std::string decode_text(OpenEnvelope envelope) {
  require_fields(envelope, 1);
  std::string text = read_blob(envelope.body);
  finish(envelope, 1);
  return text;
}

std::string encode_renew() {
  std::string out;
  begin(out, Envelope::renew, 0);
  return out;
}

std::string encode_bye(bool goes_on) {
  std::string out;
  Writer writer = begin(out, Envelope::bye, goes_on ? 1 : 0);
  if (goes_on) writer.boolean(true);
  return out;
}

bool decode_bye(OpenEnvelope envelope) {
  const bool goes_on = envelope.fields > 0 && envelope.body.boolean();
  finish(envelope, 1);
  return goes_on;
}

std::string encode_seqs(Envelope kind, const std::vector<Seq>& seqs) {
  std::string out;
  Writer writer = begin(out, kind, 1);
  write_seqs(writer, seqs);
  return out;
}

std::vector<Seq> decode_seqs(OpenEnvelope envelope) {
  require_fields(envelope, 1);
  std::vector<Seq> seqs = read_seqs(envelope.body);
  finish(envelope, 1);
  return seqs;
}

void append_call(std::string& out, const Call& call) {
  append_call_number(out, call.seq);
  append_call_body(out, call);
}

void append_call_number(std::string& out, Seq seq) {
  Writer writer(out);
  writer.array(7);
  writer.natural(seq);
}

void append_call_body(std::string& out, const Call& call) {
  Writer writer(out);
  writer.natural(call.thread);
  if (call.wait_ms) {
    writer.natural(*call.wait_ms);
  } else {
    writer.nil();
  }
  writer.natural(number(call.object));
  if (const auto* name = std::get_if<std::string_view>(&call.method)) {
    writer.string(*name);
  } else {
    writer.natural(std::get<std::uint32_t>(call.method));
  }
  writer.raw(call.args);
  writer.map(call.post ? 1 : 0);
  if (call.post) {
    writer.string("post");
    writer.boolean(true);
  }
}

std::string encode_calls(Seq first_incomplete, const std::vector<std::string_view>& calls) {
  std::string out;
  Writer writer = begin(out, Envelope::calls, 2);
  writer.natural(first_incomplete);
  writer.array(calls.size());
  for (const std::string_view call : calls) writer.raw(call);
  return out;
}

std::vector<std::string> split_calls(std::string_view frame, std::size_t calls) try {
  OpenEnvelope envelope = open_envelope(frame);
  if (envelope.kind != Envelope::calls || envelope.fields < 2) return {};
  const Seq first_incomplete = envelope.body.natural();
  const std::size_t count = envelope.body.array();
  if (count <= calls || count > kCallsInEnvelope) return {};
  std::vector<std::string> envelopes;
  std::vector<std::string_view> next;
  for (std::size_t left = count; left > 0; --left) {
    next.push_back(envelope.body.skip(kFrameDepth));
    if (next.size() < calls && left > 1) continue;
    envelopes.push_back(encode_calls(first_incomplete, next));
    next.clear();
  }
  finish(envelope, 2);
  return envelopes;
} catch (const BadCall&) {
  return {};  // whoever reads it will say what is wrong
}

CallReader::CallReader(OpenEnvelope envelope) : envelope_(envelope) {
  require_fields(envelope_, 2);
  first_incomplete_ = envelope_.body.natural();
  left_ = envelope_.body.array();
  if (left_ > kCallsInEnvelope) throw BadCall("malformed message: too many calls");
}

bool CallReader::next(Call& call) {
  if (left_ == 0) {
    finish(envelope_, 2);
    return false;
  }
  --left_;
  call = read_call(envelope_.body);
  return true;
}

Calls decode_calls(OpenEnvelope envelope) {
  CallReader reader(envelope);
  Calls calls;
  calls.first_incomplete = reader.first_incomplete();
  calls.calls.reserve(std::min<std::size_t>(reader.left(), 1024));
  for (Call call; reader.next(call);) calls.calls.push_back(call);
  return calls;
}

void append_reply(std::string& out, const Reply& reply) {
  Writer writer(out);
  writer.array(3);
  writer.natural(reply.seq);
  writer.natural(static_cast<std::uint64_t>(reply.code));
  writer.raw(reply.payload);
}

void append_error(std::string& out, Seq seq, ErrorCode code, std::string_view text,
                  std::string_view type_name) {
  Writer writer(out);
  writer.array(3);
  writer.natural(seq);
  writer.natural(static_cast<std::uint64_t>(code));
  writer.raw(encode_error(text, type_name));
}

std::string encode_error(std::string_view text, std::string_view type_name) {
  std::string out;
  Writer writer(out);
  writer.array(2);
  writer.string(cut(text, kErrorTextBytes));
  writer.string(cut(type_name, kTypeNameBytes));
  return out;
}

std::string encode_replies(const std::vector<std::string_view>& replies) {
  std::string out;
  Writer writer = begin(out, Envelope::replies, 1);
  writer.array(replies.size());
  for (const std::string_view reply : replies) writer.raw(reply);
  return out;
}

ReplyReader::ReplyReader(OpenEnvelope envelope) : envelope_(envelope) {
  require_fields(envelope_, 1);
  left_ = envelope_.body.array();
}

bool ReplyReader::next(Reply& reply) {
  if (left_ == 0) {
    finish(envelope_, 1);
    return false;
  }
  --left_;
  reply = read_reply(envelope_.body);
  return true;
}

std::vector<Reply> decode_replies(OpenEnvelope envelope) {
  ReplyReader reader(envelope);
  std::vector<Reply> replies;
  Reply reply;
  while (reader.next(reply)) replies.push_back(reply);
  return replies;
}

ErrorPayload decode_error(std::string_view payload) {
  Reader reader(payload);
  reader.array_of(2);
  ErrorPayload error;
  error.text = reader.string();
  error.type_name = reader.string();
  reader.finish();
  return error;
}

}  // namespace steward::detail::core
