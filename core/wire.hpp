// The envelopes: what travels between a client and a manager. One ZeroMQ message is one MessagePack
// array that starts with version and kind; docs/protocol.md describes the protocol, and tests
// compare it with recorded bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/reader.hpp>

namespace steward::detail::core {

inline constexpr std::uint64_t kProtocolVersion = 1;
inline constexpr std::string_view kNoArguments = "\x90";  // an empty array

// Never reuse a number.
enum class Envelope : std::uint8_t {
  hello = 1,
  welcome = 2,
  calls = 3,
  replies = 4,
  ack = 5,
  cancel = 6,
  renew = 7,
  bye = 8,
  unknown_connection = 9,
  unknown_session = 10,
};

// A call's number within its session: 1, 2, 3, ...
using Seq = std::uint64_t;
// Small, per process, never reused; owners of locks are (session, thread).
using ThreadNumber = std::uint64_t;

// An envelope opened as far as its kind; `body` stands behind it. Throws BadCall if the frame is no
// envelope of this version.
struct OpenEnvelope {
  Envelope kind;
  std::size_t fields;  // that follow
  Reader body;
};
OpenEnvelope open_envelope(std::string_view frame);

// A client's first words on a connection. A new local session brings a ticket from the control
// socket; a known session brings its id, then, asked by unknown_connection, its proof.
struct Hello {
  std::string ticket;
  std::optional<SessionId> session;
  std::string nonce;  // the client's, random, 16 bytes: the server's proof answers it
  std::string proof;  // HMAC; empty in the first hello
  std::vector<Seq> incomplete;  // calls still awaited; the server drops parked ones not listed
  Seq first_incomplete = 1;
};

struct Welcome {
  SessionId session;
  std::string secret;  // only for a new session
  Incarnation incarnation;
  std::string proof;   // HMAC over the client's nonce; only for a resumed session
  std::uint64_t message_bytes = 0;  // the server's limit of a frame
  std::uint64_t calls_in_flight = 0;
  // How long the session outlives the last word from its client; 0: as long as its control socket.
  std::uint64_t lease_ms = 0;
  // For a client that comes over tcp: the manager's addresses. A local one was told them at the
  // control socket.
  std::vector<std::string> addresses;
};

// A method is named, or given by its index in the class's table.
using MethodKey = std::variant<std::string_view, std::uint32_t>;

// One call as it stands in a frame; views live as long as the frame.
struct Call {
  Seq seq = 0;
  ThreadNumber thread = 0;
  std::optional<std::uint64_t> wait_ms;  // after which the server answers timed_out; nil: never
  ObjectId object{};
  MethodKey method;
  std::string_view args;  // one MessagePack array
  bool post = false;      // nobody waits: a success is not answered
};

struct Calls {
  Seq first_incomplete = 1;  // all before it are complete: their stored replies may go
  std::vector<Call> calls;
};

// Reads the calls of a calls envelope one by one, for a caller that may stop half-way. Throws as
// decode_calls, but only when it reaches the malformed call.
class CallReader {
 public:
  explicit CallReader(OpenEnvelope envelope);

  Seq first_incomplete() const { return first_incomplete_; }
  // How many are to come, as far as the envelope can be trusted.
  std::size_t left() const { return left_; }
  // False: there are no more, and nothing follows them.
  bool next(Call& call);

 private:
  OpenEnvelope envelope_;
  Seq first_incomplete_;
  std::size_t left_;
};

// `payload` is the encoded result; for an error code an array of text and, for ErrorCode::remote,
// the exception's type name.
struct Reply {
  Seq seq = 0;
  ErrorCode code = ErrorCode::ok;
  std::string_view payload;
};

// Reads the replies of an envelope one by one. Throws as decode_replies, but only when it reaches
// the malformed reply.
class ReplyReader {
 public:
  explicit ReplyReader(OpenEnvelope envelope);
  // False: there are no more, and nothing follows them.
  bool next(Reply& reply);

 private:
  OpenEnvelope envelope_;
  std::size_t left_;
};

std::string encode(const Hello& hello);
std::string encode(const Welcome& welcome);
std::string encode_unknown_connection(std::string_view challenge);
std::string encode_unknown_session(std::string_view reason);
std::string encode_renew();
// `goes_on`: the client's session goes on until its process ends, which is in order then.
std::string encode_bye(bool goes_on = false);
bool decode_bye(OpenEnvelope envelope);
// A session that lives by a lease lives no longer than this after the last word behind such a bye.
inline constexpr std::chrono::milliseconds kLastLease{2000};
// Envelope::ack or Envelope::cancel.
std::string encode_seqs(Envelope kind, const std::vector<Seq>& seqs);

// A calls envelope around calls that are encoded already (append_call).
std::string encode_calls(Seq first_incomplete, const std::vector<std::string_view>& calls);
// The same calls in several envelopes, in order, of at most so many each; none, if the frame is no
// calls envelope, or has no more than that. Whether each call is well-formed is not asked.
std::vector<std::string> split_calls(std::string_view frame, std::size_t calls);
void append_call(std::string& out, const Call& call);
// Its two parts: up to its number, and what stands behind that.
void append_call_number(std::string& out, Seq seq);
void append_call_body(std::string& out, const Call& call);
// A replies envelope around replies that are encoded already (append_reply).
std::string encode_replies(const std::vector<std::string_view>& replies);
void append_reply(std::string& out, const Reply& reply);
void append_error(std::string& out, Seq seq, ErrorCode code, std::string_view text,
                  std::string_view type_name = {});
std::string encode_error(std::string_view text, std::string_view type_name = {});  // the payload

// Each takes the rest of an envelope of its kind and throws BadCall if that is malformed.
Hello decode_hello(OpenEnvelope envelope);
Welcome decode_welcome(OpenEnvelope envelope);
Calls decode_calls(OpenEnvelope envelope);
std::vector<Reply> decode_replies(OpenEnvelope envelope);
std::vector<Seq> decode_seqs(OpenEnvelope envelope);
std::string decode_text(OpenEnvelope envelope);  // of unknown_connection and unknown_session

struct ErrorPayload {
  std::string text;
  std::string type_name;
};
ErrorPayload decode_error(std::string_view payload);

}  // namespace steward::detail::core
