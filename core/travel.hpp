// How handles inside values cross a boundary: what is written for a reference on the way out, and
// which reference a token becomes on the way in. A call to a session's own manager, a snapshot, a
// process argument each have their own rules; codecs ask the Travel in charge.
#pragma once

#include <steward/core/token.hpp>

namespace steward::core {

class Travel {
 public:
  virtual ~Travel() = default;
  virtual Token outgoing(const Reference& reference) = 0;
  virtual ReferencePtr incoming(Token token) = 0;
};

// Puts `travel` in charge of everything that this thread packs and unpacks until the scope ends,
// msgpack-cxx's adaptors included: those cannot be handed a parameter. Scopes nest.
class TravelScope {
 public:
  explicit TravelScope(Travel& travel);
  TravelScope(const TravelScope&) = delete;
  TravelScope& operator=(const TravelScope&) = delete;
  ~TravelScope();

 private:
  Travel* outer_;
};

// This thread's innermost scope; without one, a Travel that writes Reference::outgoing() and reads
// plain references that keep nothing alive.
Travel& current_travel();

}  // namespace steward::core
