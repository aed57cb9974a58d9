// How handles inside values cross a boundary: what is written for a reference on the way out, and
// which reference a token becomes on the way in. A call to a session's own manager, a snapshot, a
// process argument each have their own rules; codecs ask the current HandleCodec. Thread safety:
// each thread has its own current HandleCodec; a HandleCodec is used by one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include <steward/core/clock.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/token.hpp>

namespace steward {

class Value;

namespace detail::core {

// When a proxy that is decoded of a plain reference claims its object.
struct Claiming {
  enum class When : std::uint8_t {
    at_once,  // by the thread that decodes, which has until the deadline; then soon
    soon,     // by another thread, so that nobody waits: the handle carries a lease
  };
  When when = When::at_once;
  Deadline deadline = {};
};

class HandleCodec {
 public:
  virtual ~HandleCodec() = default;
  virtual Token outgoing(const Reference& reference) = 0;
  virtual ReferencePtr incoming(Token token) = 0;
  virtual Claiming claiming() const { return {}; }
};

// Makes `codec` the current HandleCodec for everything that this thread packs and unpacks until
// the scope ends, msgpack-cxx's adaptors included: those cannot be handed a parameter. Scopes nest.
class HandleCodecScope {
 public:
  explicit HandleCodecScope(HandleCodec& codec);
  HandleCodecScope(const HandleCodecScope&) = delete;
  HandleCodecScope& operator=(const HandleCodecScope&) = delete;
  ~HandleCodecScope();

 private:
  HandleCodec* outer_;
};

// This thread's innermost scope; without one, a HandleCodec that writes Reference::outgoing() and
// reads plain references that keep nothing alive.
HandleCodec& current_handle_codec();

// For what another process of the program has said and does not hold any longer: handles become
// plain references, whose proxies are claimed soon.
class LeasedHandleCodec final : public HandleCodec {
 public:
  Token outgoing(const Reference& reference) override { return reference.outgoing(); }
  ReferencePtr incoming(Token token) override {
    return std::make_shared<const Reference>(std::move(token));
  }
  Claiming claiming() const override { return {Claiming::When::soon, {}}; }
};

// The reference that a handle becomes by current_handle_codec(). Throws BadCall unless the
// extension is a handle of an object of this type: a token of a list does not become a Lock.
ReferencePtr incoming_reference(const Reader::Extension& extension, std::string_view type);

// Handles that do not leave the process: those inside one value, written and read back, become the
// very references that they were.
class SameReferences final : public HandleCodec {
 public:
  explicit SameReferences(const Value& value);
  Token outgoing(const Reference& reference) override;
  ReferencePtr incoming(Token token) override;

 private:
  void note(const Value& value);

  std::map<std::pair<Incarnation, ObjectId>, ReferencePtr> references_;
};

}  // namespace detail::core
}  // namespace steward
