// The engine of a manager whose objects live as long as its process: it keeps nothing.
#pragma once

#include <steward/engine/engine.hpp>

namespace steward::detail::engine {

class Memory final : public Engine {
 public:
  bool keeps() const override { return false; }
  void append(std::span<const std::string>) override {}
};

}  // namespace steward::detail::engine
