// Package local implements the module command:local of Slipway's stand-in for Pulumi's command plugin: the resource
// Command, whose life cycle is made of programs on this machine, and the function run, which runs one at every preview
// and update.
//
// Types, property names, defaults and behaviour follow version 1.2.1 of the vendor's plugin, so that state written by
// one is read by the other without a change. What differs is told in the package's README only where a user can see
// it: a cancelled operation ends the whole process group of its program, and a line of any length is streamed.
package local
