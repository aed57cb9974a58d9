#include <steward/core/travel.hpp>

#include <utility>

namespace steward::core {
namespace {

class Plain final : public Travel {
 public:
  Token outgoing(const Reference& reference) override { return reference.outgoing(); }
  ReferencePtr incoming(Token token) override {
    return std::make_shared<const Reference>(std::move(token));
  }
};

thread_local Travel* innermost = nullptr;

}  // namespace

TravelScope::TravelScope(Travel& travel) : outer_(std::exchange(innermost, &travel)) {}

TravelScope::~TravelScope() { innermost = outer_; }

Travel& current_travel() {
  static Plain plain;  // stateless
  return innermost != nullptr ? *innermost : plain;
}

}  // namespace steward::core
