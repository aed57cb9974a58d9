// The decoders of core/wire: a frame is refused with BadCall, or what it says can be said again and
// is read the same.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <steward/core/limits.hpp>
#include <steward/core/wire.hpp>
#include <steward/tests/fuzz/require.hpp>

namespace steward::fuzz {
namespace {

using core::Envelope;
using core::OpenEnvelope;

OpenEnvelope reopen(const std::string& frame, Envelope kind) {
  const OpenEnvelope envelope = core::open_envelope(frame);
  require(envelope.kind == kind, "an envelope keeps its kind");
  return envelope;
}

void hello(const OpenEnvelope& envelope) {
  const core::Hello first = core::decode_hello(envelope);
  const core::Hello again = core::decode_hello(reopen(core::encode(first), envelope.kind));
  require(first.ticket == again.ticket && first.session == again.session &&
              first.nonce == again.nonce && first.proof == again.proof &&
              first.incomplete == again.incomplete &&
              first.first_incomplete == again.first_incomplete,
          "a hello is read as it was written");
}

void welcome(const OpenEnvelope& envelope) {
  const core::Welcome first = core::decode_welcome(envelope);
  const core::Welcome again = core::decode_welcome(reopen(core::encode(first), envelope.kind));
  require(first.session == again.session && first.secret == again.secret &&
              first.incarnation == again.incarnation && first.proof == again.proof &&
              first.message_bytes == again.message_bytes &&
              first.calls_in_flight == again.calls_in_flight,
          "a welcome is read as it was written");
}

bool equal(const core::Call& a, const core::Call& b) {
  return a.seq == b.seq && a.thread == b.thread && a.wait_ms == b.wait_ms &&
         a.object == b.object && a.method == b.method && a.args == b.args && a.post == b.post;
}

void calls(const OpenEnvelope& envelope) {
  const core::Calls first = core::decode_calls(envelope);
  std::vector<std::string> written;
  for (const core::Call& call : first.calls) {
    core::check_one_item(call.args, core::kFrameDepth);
    core::append_call(written.emplace_back(), call);
  }
  const std::string frame = core::encode_calls(first.first_incomplete,
                                               {written.begin(), written.end()});
  const core::Calls again = core::decode_calls(reopen(frame, envelope.kind));
  require(first.first_incomplete == again.first_incomplete &&
              std::ranges::equal(first.calls, again.calls, equal),
          "calls are read as they were written");
}

void error(std::string_view payload) {
  std::optional<core::ErrorPayload> first;
  try {
    first = core::decode_error(payload);
  } catch (const BadCall&) {
    return;
  }
  std::string reply;
  core::append_error(reply, 1, core::ErrorCode::remote, first->text, first->type_name);
  const std::string frame = core::encode_replies({reply});
  const core::Reply read = core::decode_replies(core::open_envelope(frame)).at(0);
  const core::ErrorPayload again = core::decode_error(read.payload);
  require(first->text.starts_with(again.text) && again.text.size() <= core::kErrorTextBytes &&
              first->type_name.starts_with(again.type_name),
          "an error is read as it was written, or cut");
}

void replies(const OpenEnvelope& envelope) {
  const std::vector<core::Reply> first = core::decode_replies(envelope);
  std::vector<std::string> written;
  for (const core::Reply& reply : first) {
    core::check_one_item(reply.payload, core::kFrameDepth);
    if (reply.code != core::ErrorCode::ok) error(reply.payload);
    core::append_reply(written.emplace_back(), reply);
  }
  const std::string frame = core::encode_replies({written.begin(), written.end()});
  const auto equal_replies = [](const core::Reply& a, const core::Reply& b) {
    return a.seq == b.seq && a.code == b.code && a.payload == b.payload;
  };
  require(std::ranges::equal(first, core::decode_replies(reopen(frame, envelope.kind)),
                             equal_replies),
          "replies are read as they were written");
}

void seqs(const OpenEnvelope& envelope) {
  const std::vector<core::Seq> first = core::decode_seqs(envelope);
  const std::string frame = core::encode_seqs(envelope.kind, first);
  require(first == core::decode_seqs(reopen(frame, envelope.kind)),
          "call numbers are read as they were written");
}

void text(const OpenEnvelope& envelope) {
  const std::string first = core::decode_text(envelope);
  const std::string frame = envelope.kind == Envelope::unknown_connection
                                ? core::encode_unknown_connection(first)
                                : core::encode_unknown_session(first);
  require(first == core::decode_text(reopen(frame, envelope.kind)),
          "a challenge or reason is read as it was written");
}

void read(std::string_view frame) {
  const OpenEnvelope envelope = core::open_envelope(frame);
  switch (envelope.kind) {
    case Envelope::hello: return hello(envelope);
    case Envelope::welcome: return welcome(envelope);
    case Envelope::calls: return calls(envelope);
    case Envelope::replies: return replies(envelope);
    case Envelope::ack:
    case Envelope::cancel: return seqs(envelope);
    case Envelope::renew:
    case Envelope::bye: return;
    case Envelope::unknown_connection:
    case Envelope::unknown_session: return text(envelope);
  }
  require(false, "an opened envelope is of a known kind");
}

}  // namespace
}  // namespace steward::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    steward::fuzz::read(steward::fuzz::view_of(data, size));
  } catch (const steward::BadCall&) {
  }
  return 0;
}
