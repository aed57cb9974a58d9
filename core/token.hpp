// Tokens: what a handle is made of, and references: tokens whose object is kept alive.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/ids.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::core {

// The MessagePack extension type of a handle.
inline constexpr std::int8_t kHandleExtension = 1;

// Names one object of one manager, and where that manager is reached. Plain data: it keeps nothing
// alive. Inside a session with its own manager it travels without addresses: both ends know them.
struct Token {
  Incarnation incarnation;
  ObjectId object{};
  std::string type;                    // "list", "dict", "Counter"
  std::uint32_t flags = 0;             // none defined yet; unknown ones are kept
  std::vector<std::string> addresses;  // nearest first; "ipc://path?boot=..." or "tcp://host:port"
  std::optional<Nonce> nonce;          // a claim lease waits under it

  friend bool operator==(const Token&, const Token&) = default;
};

// As the payload of the extension, and back. decode throws BadCall on anything malformed.
void encode_token(Writer& out, const Token& token);
Token decode_token(std::string_view payload);

// As text for argv, environment, files: "steward:1:" and base64url.
std::string token_text(const Token& token);
Token parse_token(std::string_view text);  // throws BadCall

// What stands for every type where a proxy's is checked; no class may be called so.
inline constexpr std::string_view kAnyType = "object";
// Whether a proxy of this type may stand for the token's object.
inline bool fits(const Token& token, std::string_view type) {
  return token.type == type || type == kAnyType;
}

// "list#3", as error texts and representations name an object.
std::string describe(const Token& token);

// A token and whatever keeps its object alive, until the last copy of the pointer to it is gone.
// In a client it owns the session's reference, in the server it is the object's use count; the base
// itself (a handle of some other manager) keeps nothing.
//
// Thread safety: as std::shared_ptr; the token never changes.
class Reference {
 public:
  explicit Reference(Token token) : token_(std::move(token)) {}
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  virtual ~Reference() = default;

  const Token& token() const { return token_; }

  // The token as it is written down for somewhere outside a session with its manager. A client's
  // reference asks its manager for a nonce first, so that the object outlives the trip.
  virtual Token outgoing() const { return token_; }

  // Returns a function that ends the lease of a token which outgoing() gave. The caller calls it
  // once nobody will claim that token any more. Empty: there is no lease. The function does not
  // throw.
  virtual std::function<void()> recall(const Token&) const { return {}; }

 protected:
  Token token_;
};

using ReferencePtr = std::shared_ptr<const Reference>;

}  // namespace steward::detail::core
