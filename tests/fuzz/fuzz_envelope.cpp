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

using detail::core::Envelope;
using detail::core::OpenEnvelope;

OpenEnvelope reopen(const std::string& frame, Envelope kind) {
  const OpenEnvelope envelope = detail::core::open_envelope(frame);
  require(envelope.kind == kind, "an envelope keeps its kind");
  return envelope;
}

void hello(const OpenEnvelope& envelope) {
  const detail::core::Hello first = detail::core::decode_hello(envelope);
  const detail::core::Hello again =
      detail::core::decode_hello(reopen(detail::core::encode(first), envelope.kind));
  require(first.ticket == again.ticket && first.session == again.session &&
              first.nonce == again.nonce && first.proof == again.proof &&
              first.incomplete == again.incomplete &&
              first.first_incomplete == again.first_incomplete,
          "a hello is read as it was written");
}

void welcome(const OpenEnvelope& envelope) {
  const detail::core::Welcome first = detail::core::decode_welcome(envelope);
  const detail::core::Welcome again =
      detail::core::decode_welcome(reopen(detail::core::encode(first), envelope.kind));
  require(first.session == again.session && first.secret == again.secret &&
              first.incarnation == again.incarnation && first.proof == again.proof &&
              first.message_bytes == again.message_bytes &&
              first.calls_in_flight == again.calls_in_flight,
          "a welcome is read as it was written");
}

bool equal(const detail::core::Call& a, const detail::core::Call& b) {
  return a.seq == b.seq && a.thread == b.thread && a.wait_ms == b.wait_ms &&
         a.object == b.object && a.method == b.method && a.args == b.args && a.post == b.post;
}

void calls(const OpenEnvelope& envelope) {
  const detail::core::Calls first = detail::core::decode_calls(envelope);
  std::vector<std::string> written;
  for (const detail::core::Call& call : first.calls) {
    detail::core::check_one_item(call.args, detail::core::kFrameDepth);
    detail::core::append_call(written.emplace_back(), call);
  }
  const std::string frame = detail::core::encode_calls(first.first_incomplete,
                                               {written.begin(), written.end()});
  const detail::core::Calls again = detail::core::decode_calls(reopen(frame, envelope.kind));
  require(first.first_incomplete == again.first_incomplete &&
              std::ranges::equal(first.calls, again.calls, equal),
          "calls are read as they were written");
}

void error(std::string_view payload) {
  std::optional<detail::core::ErrorPayload> first;
  try {
    first = detail::core::decode_error(payload);
  } catch (const BadCall&) {
    return;
  }
  std::string reply;
  detail::core::append_error(reply, 1, detail::core::ErrorCode::remote, first->text,
                             first->type_name);
  const std::string frame = detail::core::encode_replies({reply});
  const detail::core::Reply read =
      detail::core::decode_replies(detail::core::open_envelope(frame)).at(0);
  const detail::core::ErrorPayload again = detail::core::decode_error(read.payload);
  require(first->text.starts_with(again.text) &&
              again.text.size() <= detail::core::kErrorTextBytes &&
              first->type_name.starts_with(again.type_name),
          "an error is read as it was written, or cut");
}

void replies(const OpenEnvelope& envelope) {
  const std::vector<detail::core::Reply> first = detail::core::decode_replies(envelope);
  std::vector<std::string> written;
  for (const detail::core::Reply& reply : first) {
    detail::core::check_one_item(reply.payload, detail::core::kFrameDepth);
    if (reply.code != detail::core::ErrorCode::ok) error(reply.payload);
    detail::core::append_reply(written.emplace_back(), reply);
  }
  const std::string frame = detail::core::encode_replies({written.begin(), written.end()});
  const auto equal_replies = [](const detail::core::Reply& a, const detail::core::Reply& b) {
    return a.seq == b.seq && a.code == b.code && a.payload == b.payload;
  };
  require(std::ranges::equal(first, detail::core::decode_replies(reopen(frame, envelope.kind)),
                             equal_replies),
          "replies are read as they were written");
}

void seqs(const OpenEnvelope& envelope) {
  const std::vector<detail::core::Seq> first = detail::core::decode_seqs(envelope);
  const std::string frame = detail::core::encode_seqs(envelope.kind, first);
  require(first == detail::core::decode_seqs(reopen(frame, envelope.kind)),
          "call numbers are read as they were written");
}

void text(const OpenEnvelope& envelope) {
  const std::string first = detail::core::decode_text(envelope);
  const std::string frame = envelope.kind == Envelope::unknown_connection
                                ? detail::core::encode_unknown_connection(first)
                                : detail::core::encode_unknown_session(first);
  require(first == detail::core::decode_text(reopen(frame, envelope.kind)),
          "a challenge or reason is read as it was written");
}

void read(std::string_view frame) {
  const OpenEnvelope envelope = detail::core::open_envelope(frame);
  switch (envelope.kind) {
    case Envelope::hello: return hello(envelope);
    case Envelope::welcome: return welcome(envelope);
    case Envelope::calls: return calls(envelope);
    case Envelope::replies: return replies(envelope);
    case Envelope::ack:
    case Envelope::cancel: return seqs(envelope);
    case Envelope::renew:
    case Envelope::bye: decode_bye(envelope); return;
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
