// What must not be lost, and who may write it: the engine keeps the inputs of the manager's core,
// as bytes, before anything that follows from them can be seen. It knows nothing of objects.
#pragma once

#include <span>
#include <string>

namespace steward::detail::engine {

// Thread safety: none; the server's one thread drives it. Owned by whoever starts the server.
class Engine {
 public:
  virtual ~Engine() = default;

  // False: nothing is kept, so inputs need not be written down and append() is not called.
  virtual bool keeps() const = 0;

  // Keeps the inputs of one batch, all or none, and returns when they cannot be lost any more. What
  // it throws ends the server: outputs whose inputs may be lost are never released.
  virtual void append(std::span<const std::string> inputs) = 0;
};

}  // namespace steward::detail::engine
